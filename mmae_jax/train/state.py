"""Everything that changes while training, and what of it a phase trains (docs/method.md §8)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import NamedSharding

from mmae_jax import parallel
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.batch import Batch
from mmae_jax.models.encoder import encoder_class
from mmae_jax.models.params import HEADS, Path, abstract_model
from mmae_jax.spec import BY_NAME, Data, Experiment, Logging
from mmae_jax.train.layer_decay import slower_by_layer
from mmae_jax.train.optimizer import optimizer


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """What a compiled step depends on; the static argument of every jitted function of a phase.

    Two are equal whose steps are the same, wherever they read, log and save: what one compiled serves the other.
    """

    experiment: Experiment
    phase: str
    total_steps: int

    @functools.cached_property
    def _computed(self) -> tuple[Experiment, str, int]:
        own = self.experiment.phase(self.phase)
        same = dataclasses.replace(
            self.experiment,
            data=Data(),
            phases=(self.phase,),
            pretrain=own,
            probe=own,
            finetune=own,
            logging=Logging(),
            init_from=None,
            transfer=BY_NAME,
            profile=(),
            compilation_cache=None,
        )
        return same, self.phase, self.total_steps

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self._computed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self._computed == other._computed

    def __hash__(self) -> int:
        return self._hash

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """The optimiser of the trained parameters."""
        settings = self.experiment.phase(self.phase)
        plain = optimizer(settings, self.total_steps)
        if settings.layer_decay is None:
            return plain
        return optax.chain(plain, slower_by_layer(self.experiment, settings.layer_decay))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """State of one phase.

    Attributes:
      step: int32, optimiser steps done.
      params: all parameters, float32.
      opt_state: state of the optimiser, of the parameters the phase trains; the others have none, so no weight decay.
      ema: exponential moving average of the trained parameters; None where switched off.
    """

    step: jax.Array
    params: nnx.State
    opt_state: optax.OptState
    ema: nnx.State | None


def split_trained(params: nnx.State, experiment: Experiment, phase: str) -> tuple[nnx.State, nnx.State]:
    """Returns the parameters a phase trains, and the others.

    Pretraining trains the encoder with all that reconstructs, probing the heads, finetuning encoder and heads; of a
    frozen encoder, finetuning trains what is new in it.
    """
    encoder, freeze = encoder_class(experiment), experiment.model.foundation.freeze
    is_trained: Callable[[Path], bool] = {
        "pretrain": lambda path: path[0] != HEADS,
        "probe": lambda path: path[0] == HEADS,
        "finetune": lambda path: (
            path[0] not in encoder.pretraining_only
            and (not freeze or path[0] == HEADS or encoder.is_new(experiment, path))
        ),
    }[phase]
    trained, frozen = nnx.split_state(params, lambda path, _: is_trained(path), ...)
    return trained, frozen


def averaged_params(state: TrainState, experiment: Experiment, phase: str) -> nnx.State:
    """Returns all parameters, the trained ones averaged where there is an average."""
    if state.ema is None:
        return state.params
    return nnx.merge_state(split_trained(state.params, experiment, phase)[1], state.ema)


def _begin(program: Program, params: nnx.State) -> TrainState:
    trained, _ = split_trained(params, program.experiment, program.phase)
    ema = jax.tree.map(jnp.copy, trained) if program.experiment.ema else None
    return TrainState(jnp.zeros((), jnp.int32), params, program.optimizer.init(trained), ema)


def abstract_state(program: Program, mesh: jax.sharding.Mesh | jax.sharding.AbstractMesh) -> TrainState:
    """Returns the state of a phase as shapes, dtypes and shardings; computes nothing.

    Raises:
      SpecError: a parameter cannot be split over the mesh.
    """
    shapes = jax.eval_shape(functools.partial(_begin, program), abstract_model(program.experiment)[1])
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        parallel.shardings(shapes, mesh),
    )


def abstract_arguments(program: Program, mesh: jax.sharding.Mesh) -> tuple[TrainState, Batch]:
    """Returns state and global batch of a step as shapes, dtypes and shardings, as training passes them.

    Raises:
      SpecError: a parameter cannot be split over the mesh.
    """
    rows = NamedSharding(mesh, parallel.BATCH)
    batch = abstract_batch(program.experiment, program.experiment.phase(program.phase).batch_size)
    spread = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=rows), batch)
    return abstract_state(program, mesh), spread


def begin_phase(program: Program, params: nnx.State, mesh: jax.sharding.Mesh) -> TrainState:
    """Returns the state in which a phase starts from `params` (donated)."""
    return beginning(program, mesh)(params)


def beginning(program: Program, mesh: jax.sharding.Mesh) -> jax.stages.Wrapped:
    """Returns the jitted function of `begin_phase`."""
    shardings = jax.tree.map(lambda leaf: leaf.sharding, abstract_state(program, mesh))
    return jax.jit(functools.partial(_begin, program), out_shardings=shardings, donate_argnums=0)
