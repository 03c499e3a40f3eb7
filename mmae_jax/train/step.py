"""The jitted functions of a phase: one training step, one evaluation step, one update of the average."""

from __future__ import annotations

import functools
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from mmae_jax import losses, parallel
from mmae_jax.data.batch import Batch
from mmae_jax.losses import Total
from mmae_jax.metrics import Summary
from mmae_jax.models.model import Model
from mmae_jax.models.params import abstract_model, merge
from mmae_jax.models.samples import Samples, samples_from_batch
from mmae_jax.spec import Experiment
from mmae_jax.tasks.accumulator import summarise
from mmae_jax.train.optimizer import ema_momentum, learning_rate
from mmae_jax.train.reconstruction import Images, images, reconstruct
from mmae_jax.train.state import Program, TrainState, averaged_params, split_trained


def _key(experiment: Experiment, use: str, step: jax.typing.ArrayLike) -> jax.Array:
    """Returns the random key of a use and step (docs/design.md, decision 4)."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(experiment.seed), zlib.crc32(use.encode())), step)


def precision(experiment: Experiment) -> Any:
    """float32 means float32 on accelerators, too, whose matrix units would round inputs by default."""
    return jax.default_matmul_precision("float32" if experiment.model.dtype == "float32" else "default")


def _errors(model: Model, batch: Batch, key: jax.Array, phase: str) -> tuple[dict[str, Total], dict[str, jax.Array]]:
    """Returns the error by input (pretrain) or target, and the logits by target."""
    experiment = model.experiment
    with jax.named_scope("resize"):
        samples = samples_from_batch(batch, experiment)
    if phase == "pretrain":
        patches, masked = reconstruct(model, samples, key, masked_only=True)
        with jax.named_scope("loss"):
            return losses.reconstruction_errors(patches, samples, masked, batch["weight"], experiment), {}
    logits = model.predict(samples, train_encoder=phase == "finetune")
    targets, weight = batch["targets"], batch["weight"]
    with jax.named_scope("loss"):
        return losses.prediction_errors(logits, targets, weight, experiment.dataset, experiment.loss), logits


def _padding(samples: Samples, experiment: Experiment) -> jax.Array:
    """Returns the share of a batch's tokens that stand for a date or input that is not there."""
    valid = samples.dates_valid
    tokens = {name: model_input.num_tokens / model_input.num_dates for name, model_input in experiment.inputs.items()}
    absent = [(~valid[name]).sum() * per_date for name, per_date in tokens.items()]
    return sum(absent[1:], absent[0]) / sum(valid[name].size * per_date for name, per_date in tokens.items())


def total_loss(errors: dict[str, Total], program: Program) -> jax.Array:
    """Returns the loss of a phase from its errors by input or target."""
    if program.phase == "pretrain":
        return losses.reconstruction_loss(errors, program.experiment)
    return losses.prediction_loss(errors)


@functools.partial(jax.jit, static_argnames="program", donate_argnames="state")
def train_step(program: Program, state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
    """Does one optimiser step.

    Args:
      program: static.
      state: donated.
      batch: global batch in native dtypes.

    Returns:
      The next state, and scalars: `loss`, `loss/<input or target>`, `gradient_norm`, `learning_rate`, `padding_%`.
    """
    experiment, phase = program.experiment, program.phase
    graph, _ = abstract_model(experiment)
    trained, frozen = split_trained(state.params, experiment, phase)

    def loss_of(trained: nnx.State) -> tuple[jax.Array, dict[str, Total]]:
        model = merge(graph, nnx.merge_state(frozen, trained))
        errors, _ = _errors(model, batch, _key(experiment, f"{phase}/mask", state.step), phase)
        return total_loss(errors, program), errors

    with precision(experiment):
        (loss, errors), gradients = jax.value_and_grad(loss_of, has_aux=True)(trained)
    with jax.named_scope("optimizer"):
        updates, opt_state = program.optimizer.update(gradients, state.opt_state, trained)
        params = nnx.merge_state(frozen, optax.apply_updates(trained, updates))
        gradient_norm = optax.tree.norm(gradients)
    scalars = {"loss": loss} | {f"loss/{name}": error.mean for name, error in errors.items()}
    scalars["gradient_norm"] = gradient_norm
    scalars["learning_rate"] = learning_rate(experiment.phase(phase), program.total_steps)(state.step)
    scalars["padding_%"] = 100 * _padding(samples_from_batch(batch, experiment), experiment)
    return parallel.in_place(TrainState(state.step + 1, params, opt_state, state.ema)), scalars


@functools.partial(jax.jit, static_argnames="program", donate_argnames="state")
def update_ema(program: Program, state: TrainState) -> TrainState:
    """Moves the average of the trained parameters at the end of an epoch (docs/method.md §8)."""
    if state.ema is None:
        return state
    momentum = ema_momentum(program.experiment.phase(program.phase).epochs)
    trained, _ = split_trained(state.params, program.experiment, program.phase)
    ema = jax.tree.map(lambda average, param: momentum * average + (1 - momentum) * param, state.ema, trained)
    return parallel.in_place(TrainState(state.step, state.params, state.opt_state, ema))


@functools.partial(jax.jit, static_argnames="program")
def evaluate_step(
    program: Program, state: TrainState, batch: Batch, index: jax.Array
) -> tuple[dict[str, Total], dict[str, Summary]]:
    """Evaluates one batch.

    Args:
      program: static.
      state: finetune evaluates its average, the other phases their parameters.
      batch: global batch.
      index: number of the batch; masks depend on it.

    Returns:
      Errors by input (pretrain) or target, and what the scores of each target need.
    """
    experiment, phase = program.experiment, program.phase
    params = averaged_params(state, experiment, phase) if phase == "finetune" else state.params
    model = merge(abstract_model(experiment)[0], params)
    with precision(experiment):
        errors, logits = _errors(model, batch, _key(experiment, "evaluate/mask", index), phase)
    summaries = {
        name: summarise(experiment.dataset.targets[name], predicted, batch["targets"][name], batch["weight"])
        for name, predicted in logits.items()
    }
    return errors, summaries


@functools.partial(jax.jit, static_argnames="program")
def embed_step(program: Program, state: TrainState, batch: Batch) -> jax.Array:
    """Returns float32 `[B, E]`: the mean of a sample's encoded tokens that are there, nothing masked."""
    experiment = program.experiment
    model = merge(abstract_model(experiment)[0], state.params)
    samples = samples_from_batch(batch, experiment)
    with precision(experiment):
        features, available = model.encoder.features(samples), model.encoder.available(samples)
    weights = {name: valid.astype(jnp.float32) for name, valid in available.items()}
    totals = [
        jnp.einsum("btle,btl->be", features[name].astype(jnp.float32), weight) for name, weight in weights.items()
    ]
    counts = [weight.sum(axis=(1, 2)) for weight in weights.values()]
    return sum(totals[1:], totals[0]) / jnp.maximum(sum(counts[1:], counts[0]), 1)[:, None]


@functools.partial(jax.jit, static_argnames="program")
def reconstruct_step(program: Program, state: TrainState, batch: Batch) -> tuple[Samples, dict[str, Images]]:
    """Reconstructs one batch, for figures: samples, and images by input."""
    experiment = program.experiment
    model = merge(abstract_model(experiment)[0], state.params)
    samples = samples_from_batch(batch, experiment)
    with precision(experiment):
        return samples, images(model, samples, _key(experiment, "evaluate/mask", jnp.zeros((), jnp.int32)))
