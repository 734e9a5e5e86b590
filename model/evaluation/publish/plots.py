"""Curves as pictures, one per file. This module knows nothing of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model.evaluation.record import EvaluationError
from model.evaluation.speed.steps import Curve


def plot_curves(curves: Sequence[Curve], folder: Path, title: str) -> None:
    """Write each curve to `folder` as an SVG named after it. Raises EvaluationError where matplotlib is missing."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EvaluationError("Plots need matplotlib: pip install '.[evaluate]'") from error
    # The same curve gives the same file.
    mpl.rcParams["svg.hashsalt"] = "drafting"
    for curve in curves:
        figure = Figure(figsize=(5.6, 3.6), layout="constrained")
        axes = figure.subplots()
        for name, points in curve.lines.items():
            axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
        axes.set_xlabel(curve.x)
        axes.set_ylabel("milliseconds a step (median)")
        axes.set_title(title, fontsize="medium")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
        figure.savefig(folder / f"speed-{curve.name}.svg", metadata={"Date": None})
