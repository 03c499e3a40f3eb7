import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmae_jax import spec
from mmae_jax.train import optimizer as optimizers

FINAL_FACTORS = {"pretrain": 1e7, "finetune": 2.0}


def phase(peak: float = 1e-3, **changes) -> spec.Phase:
    return spec.Phase(**{"epochs": 1, "batch_size": 3, "base_lr": peak, **changes})


@pytest.fixture(params=FINAL_FACTORS)
def golden_curve(request, golden_dir) -> tuple[spec.Phase, np.ndarray]:
    with np.load(golden_dir / "metrics_schedule.npz") as golden:
        return phase(final_factor=FINAL_FACTORS[request.param]), golden[f"onecycle/{request.param}"]


def test_learning_rate_equals_golden_inside_jit(golden_curve):
    settings, expected = golden_curve
    rates = jax.jit(jax.vmap(optimizers.learning_rate(settings, len(expected))))(jnp.arange(len(expected)))
    assert rates.dtype == jnp.float32
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_learning_rate_of_python_steps_equals_golden(golden_curve):
    settings, expected = golden_curve
    schedule = optimizers.learning_rate(settings, len(expected))
    np.testing.assert_allclose(
        [float(schedule(step)) for step in (0, 7, 19, 20, 98, 99)], expected[[0, 7, 19, 20, 98, 99]], rtol=1e-6
    )


@pytest.mark.parametrize("total_steps", [1, 2, 3, 5, 6, 11, 1_000_003])
def test_learning_rate_is_positive_and_bounded(total_steps):
    schedule = jax.jit(optimizers.learning_rate(phase(), total_steps))
    steps = np.linspace(0, 1.2 * total_steps, 50).astype(int)
    rates = np.asarray(schedule(steps))
    assert np.all(np.isfinite(rates))
    assert np.all((rates >= 1e-10 * (1 - 1e-6)) & (rates <= 1e-3 * (1 + 1e-6)))


@pytest.mark.parametrize("total_steps", range(1, 6))
def test_short_phases_start_at_the_peak(total_steps):
    np.testing.assert_allclose(optimizers.learning_rate(phase(), total_steps)(0), 1e-3, rtol=1e-6)


def test_learning_rate_stays_at_its_end():
    schedule = optimizers.learning_rate(phase(final_factor=2.0), 10)
    np.testing.assert_allclose(schedule(jnp.asarray([9, 10, 1000])), 5e-4, rtol=1e-6)


def test_learning_rate_refuses_no_steps():
    with pytest.raises(ValueError, match="total_steps"):
        optimizers.learning_rate(phase(), 0)


@pytest.mark.parametrize("total_steps", [6, 17, 1234])
def test_learning_rate_equals_torch(total_steps):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=1e-3)
    torch_schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1e-3,
        total_steps=total_steps,
        pct_start=0.2,
        cycle_momentum=False,
        div_factor=1000,
        final_div_factor=1e4,
    )
    expected = []
    for _ in range(total_steps):
        expected.append(torch_schedule.get_last_lr()[0])
        optimizer.step()
        torch_schedule.step()
    rates = optimizers.learning_rate(phase(), total_steps)(jnp.arange(total_steps))
    np.testing.assert_allclose(rates, expected, rtol=2e-6)


def test_optimizer_equals_torch():
    torch = pytest.importorskip("torch")
    steps, generator = 20, np.random.default_rng(0)
    initial = {"kernel": generator.normal(size=(5, 3)), "bias": generator.normal(size=(3,))}
    gradients = [{name: generator.normal(size=value.shape) for name, value in initial.items()} for _ in range(steps)]
    settings = phase(peak=1e-2, weight_decay=0.1)
    schedule = optimizers.learning_rate(settings, steps)

    reference = {name: torch.nn.Parameter(torch.tensor(value, dtype=torch.float32)) for name, value in initial.items()}
    torch_optimizer = torch.optim.AdamW(reference.values(), betas=(settings.b1, settings.b2), weight_decay=0.1)
    params = jax.tree.map(lambda value: jnp.asarray(value, jnp.float32), initial)
    transformation = optimizers.optimizer(settings, steps)
    state = transformation.init(params)
    for step, gradient in enumerate(gradients):
        torch_optimizer.param_groups[0]["lr"] = float(schedule(step))
        for name, parameter in reference.items():
            parameter.grad = torch.tensor(gradient[name], dtype=torch.float32)
        torch_optimizer.step()
        updates, state = transformation.update(
            jax.tree.map(lambda value: jnp.asarray(value, jnp.float32), gradient), state, params
        )
        params = optax.apply_updates(params, updates)
        for name, parameter in reference.items():
            np.testing.assert_allclose(params[name], parameter.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_weight_decay_reaches_every_parameter():
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "token": jnp.ones(())}
    transformation = optimizers.optimizer(phase(weight_decay=0.5), total_steps=1)
    updates, _ = transformation.update(jax.tree.map(jnp.zeros_like, params), transformation.init(params), params)
    for update in jax.tree.leaves(updates):
        np.testing.assert_allclose(update, -1e-3 * 0.5, rtol=1e-6)


@pytest.mark.parametrize(("epochs", "momentum"), [(1, 0.0), (4, 0.0), (5, 0.0), (10, 0.5), (50, 0.9), (100, 0.95)])
def test_ema_momentum(epochs, momentum):
    assert optimizers.ema_momentum(epochs) == pytest.approx(momentum)
