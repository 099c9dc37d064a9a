"""Plans of a density's sums: one for all that shares a bandwidth, and what they tell together."""

from collections.abc import Callable
from typing import Any

from cyfes._kernels import Plan

Lines = list[tuple[str, str]]

#: A plan serves calls of up to this many times more, or fewer, kernels than it was made for.
SERVES = 4


class Plans:
    """The plans that a density executed, with the number of calls and of kernels of each.

    Errors of moments are linear in the weights: calls with the same cells err together as one call
    with all kernels would. So there is at most one plan of moments for a bandwidth.
    """

    def __init__(self) -> None:
        self._latest: dict[bytes, tuple[int, Plan]] = {}
        self._moments: dict[bytes, Plan] = {}
        self._used: dict[int, tuple[Plan, int, int]] = {}

    def shared(self, bandwidth: bytes, n: int, make: Callable[[], Plan]) -> Plan:
        """Return the plan of a call of ``n`` kernels of one bandwidth, an earlier one if it may."""
        if bandwidth in self._latest:
            made_for, plan = self._latest[bandwidth]
            if made_for <= SERVES * n and n <= SERVES * made_for:
                return plan
        plan = make()
        if plan["method"] == "moments":
            plan = self._moments.setdefault(bandwidth, plan)
        self._latest = {bandwidth: (n, plan)}
        return plan

    def used(self, plan: Plan, n: int) -> None:
        """Count a call of ``n`` kernels."""
        _, calls, total = self._used.get(plan.seal, (plan, 0, 0))
        self._used[plan.seal] = plan, calls + 1, total + n

    def merge(self, other: "Plans") -> None:
        """Add what another density executed."""
        for seal, (plan, calls, n) in other._used.items():
            _, before, total = self._used.get(seal, (plan, 0, 0))
            self._used[seal] = plan, before + calls, total + n
        for bandwidth, plan in other._moments.items():
            self._moments.setdefault(bandwidth, plan)

    def describe(self, last: Plan, tail: float, rounding: float) -> Lines:
        """Return (name, text) pairs that tell what was done; ``rounding`` of one addition.

        Bounds add up: densities of positive terms do, so no part's peak is above that of all.
        """
        moments = [plan for plan, _, _ in self._used.values() if plan["method"] == "moments"]
        calls = sum(calls for _, calls, _ in self._used.values())
        error = sum(plan["error"] for plan in moments) + calls * rounding
        tail_error = sum(plan["tail_error"] for plan in moments) + calls * rounding
        lines = describe_plan(moments[-1] if moments else last, tail, error, tail_error)
        methods = {p["method"]: 0 for p, _, _ in self._used.values()}
        if len(methods) > 1:
            for plan, _, n in self._used.values():
                methods[plan["method"]] += n
            lines.append(("kernels", ", ".join(f"{n} by {name}" for name, n in methods.items())))
        return lines


def describe_plan(
    plan: dict[str, Any], tail: float, error: float | None = None, tail_error: float | None = None
) -> Lines:
    """Return (name, text) pairs that tell what a plan does and why; its bounds unless given."""
    costs = ", ".join(f"{method} {seconds:.2g} s" for method, seconds in plan["cost"].items())
    lines = [("method", f"{plan['method']} ({plan['reason']})")]
    if costs:
        lines.append(("estimated cost", f"{costs} on one thread"))
    if plan["method"] != "moments":
        return [*lines, ("reach", f"{plan['reach']:.4g} bandwidths"), ("error bound", "rounding")]
    widths = ", ".join(f"{width:.3g}" for width in plan["cell_width"])
    bound = f"{plan['error'] if error is None else error:.1e} of the density's peak"
    if tail > 0:
        tail_error = plan["tail_error"] if tail_error is None else tail_error
        bound += f"; |dF| <= {tail_error:.1e} kBT where F < {tail:g} kBT"
    return [
        *lines,
        ("order", f"{plan['order']}, cells of {widths} bandwidths"),
        ("reach", f"{plan['reach']:.4g} bandwidths"),
        ("error bound", bound),
    ]
