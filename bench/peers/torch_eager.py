"""PyTorch, operation by operation; the gradient is written out, as autograd and an optimizer are far slower."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

TITLE = "torch"
THREADS = (1, None)


def step(X, Y, W1, b1, W2, b2, scale):
    """Return the summed cost and the next parameters; `scale` is -learning rate / n."""
    A1 = torch.tanh(torch.addmm(b1, W1, X))
    Z2 = torch.addmm(b2, W2, A1)
    cost = binary_cross_entropy_with_logits(Z2, Y, reduction="sum")
    dZ2 = torch.sigmoid(Z2) - Y
    dZ1 = (W2.T @ dZ2) * (1 - A1 * A1)
    return (
        cost,
        torch.addmm(W1, dZ1, X.T, alpha=scale),
        torch.add(b1, dZ1.sum(1, keepdim=True), alpha=scale),
        torch.addmm(W2, dZ2, A1.T, alpha=scale),
        torch.add(b2, dZ2.sum(1, keepdim=True), alpha=scale),
    )


def prepare(X, Y, params, learning_rate, iterations, dtype, threads, step=step):
    X, Y, *initial = (torch.from_numpy(a.astype(dtype)) for a in (X, Y, *(params[k] for k in ("W1", "b1", "W2", "b2"))))
    n = X.shape[1]

    @torch.no_grad()
    def run():
        W1, b1, W2, b2 = initial
        cost_ = torch.empty(iterations, dtype=X.dtype)
        for j in range(iterations):
            cost_[j], W1, b1, W2, b2 = step(X, Y, W1, b1, W2, b2, -learning_rate / n)
        return cost_[-1].item() / n, {"W1": W1.numpy(), "b1": b1.numpy(), "W2": W2.numpy(), "b2": b2.numpy()}

    return run
