"""Optimizers; those for whole models step relative to the size of what they change, as T5 was trained.

With a plain Adam update every weight moves by about `lr`, whether its tensor holds embeddings of size 1 or
projections of size 0.05. Adafactor instead multiplies the rate with the root mean square of the tensor, so
one rate suits all of them. `AdamWRms` brings that to Adam and keeps the full second moment and the first. A
rate of 0.02 then means: a step changes a tensor by about 2 % of its size. Adapters are another matter: LoRA
starts at zero, of which 2 % is nothing, and takes plain AdamW.

Papers: Shazeer and Stern 2018, arXiv:1804.04235, sections 8 and 9 (relative step size); Kingma and Ba 2015,
arXiv:1412.6980; Loshchilov and Hutter 2019, arXiv:1711.05101 (decoupled weight decay). The combination is
that of nanoT5 (Nawrot 2023, arXiv:2309.02373); tests compare with its formula, written out naively.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from t2t.training.sharding import local, sum_over_slices

# Below this RMS a tensor counts as this large, so that one that starts at zero can leave it.
# 0.001: epsilon_2 of arXiv:1804.04235, section 8
MIN_RMS = 1e-3


def build_optimizer(
    params: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]],
    *,
    name: str,
    lr: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> torch.optim.Optimizer:
    """The optimizer called `name`: "adamw_rms", "adafactor" or "adamw".

    The first two multiply `lr` with each tensor's RMS. Adafactor keeps one second moment per row and column
    instead of per weight, and no first moment, so it takes no `betas`; its own rate decay is off, and the
    schedule decides. AdamW is torch's, fused into one kernel.

    Args:
        params: weights, or groups of them from `t2t.training.depth.parameter_groups`.
    """
    if name == "adamw_rms":
        return AdamWRms(params, lr=lr, betas=betas, weight_decay=weight_decay)
    if name == "adafactor":
        from transformers.optimization import Adafactor  # slow to import, seldom wanted

        return Adafactor(params, lr=lr, weight_decay=weight_decay, relative_step=False, scale_parameter=True)
    if name == "adamw":
        return torch.optim.AdamW(params, lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
    raise ValueError(f"unknown optimizer: {name!r}")


class AdamWRms(torch.optim.Optimizer):
    """AdamW whose update of a tensor is multiplied by `max(MIN_RMS, rms(tensor))`.

        rms = max(0.001, sqrt(mean(p²)))    p ← p - lr · rms · m̂ / (√v̂ + ε) - lr · weight_decay · p

    where m̂ and v̂ are the bias-corrected moments of Adam and ε is scaled as in nanoT5 (added before v is
    corrected).

    Args:
        lr: step size relative to the size of a tensor; 0.01 to 0.02 for pretraining.
        betas: decay of the first and second moment per step.
        eps: added to the root of the second moment.
        weight_decay: fraction of a weight, times lr, that is taken off it each step.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        params = [param for param in group["params"] if param.grad is not None]
        if not params:
            return
        for param in params:
            if not (state := self.state[param]):
                # a tensor on the CPU, as torch.optim keeps it, so that it is saved like the moments
                state["step"] = torch.tensor(0.0)
                state["exp_avg"] = torch.zeros_like(param)
                state["exp_avg_sq"] = torch.zeros_like(param)
            state["step"] += 1

        beta1, beta2 = group["betas"]
        rates = _rms(params) * group["lr"]  # (num_params,)
        if group["weight_decay"]:
            torch._foreach_mul_(local(params), 1 - group["lr"] * group["weight_decay"])
        # One kernel a tensor, which reads and writes everything once: on a CPU several times as fast as a
        # kernel an operation. The rate stays a tensor, so the host never waits for the norms.
        for param, rate in zip(params, rates, strict=True):
            state = self.state[param]
            num_steps = float(state["step"])
            weight, gradient, moment, moment_sq = local(
                [param, param.grad, state["exp_avg"], state["exp_avg_sq"]]
            )
            torch._fused_adamw_(
                [weight],
                [gradient],
                [moment],
                [moment_sq],
                [],  # no AMSGrad
                [torch.full((), num_steps, device=weight.device)],
                lr=rate,
                beta1=beta1,
                beta2=beta2,
                weight_decay=0.0,
                # the kernel adds its epsilon to the corrected root
                eps=group["eps"] / (1 - beta2**num_steps) ** 0.5,
                amsgrad=False,
                maximize=False,
            )


def _rms(params: list[Tensor]) -> Tensor:
    """Root mean square of each tensor, at least MIN_RMS: (num_params,)."""
    norms = torch.stack(torch._foreach_norm(local(params)))
    sums = sum_over_slices(norms.square(), params[0])
    num_weights = torch.tensor([param.numel() for param in params], dtype=sums.dtype)
    return (sums / num_weights.to(sums.device, non_blocking=True)).sqrt().clamp_min(MIN_RMS)
