"""`python -m model evaluate report`: saved evaluations as one Markdown and one HTML file.

Each evaluation stands there with its tables, its intervals as a plot, and what a reader needs to do it again: the
command, the settings, the versions, the device, and the checksums of weights and data. Nothing is measured or rounded
anew here. The HTML file holds everything itself and loads nothing from elsewhere.
"""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from model.commands import Command
from model.evaluation.publish.card import is_score, is_share, table_blocks
from model.evaluation.record import EvaluationError, Row, SavedRows, load_rows

NOTICE = "Research use only. Not a medical device."
UNRECORDED = "not recorded"
INTERVALS = "Values are followed by 95 % bootstrap intervals and the number of images, reports or runs."

_MARKDOWN = """\
# {{ title }}

{{ notice }} {{ intervals }}
{% for part in parts %}
## {{ part.name }}

```
{{ part.command }}
```

| | |
|---|---|
{% for key, value in part.about %}| {{ key }} | {{ value | cell }} |
{% endfor %}{% for group in part.groups %}
### {{ group.heading }}
{% for block in group.blocks %}
| {{ block[0] | map("cell") | join(" | ") }} |
|{{ "---|" * block[0] | length }}
{% for cells in block[1:] %}| {{ cells | map("cell") | join(" | ") }} |
{% endfor %}{% endfor %}{% if group.file %}
![values and intervals]({{ group.file }})
{% endif %}{% endfor %}{% endfor %}"""

_HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0 0 1rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8886; padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; }
.wide { overflow-x: auto; }
code, pre { font-size: .9em; overflow-wrap: anywhere; white-space: pre-wrap; }
figure { margin: 0 0 1.5rem; background: #fff; max-width: 46rem; }
figure svg { max-width: 100%; height: auto; }
.notice { font-weight: 600; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="notice">{{ notice }}</p>
<p>{{ intervals }}</p>
{% for part in parts %}
<section>
<h2>{{ part.name }}</h2>
<pre>{{ part.command }}</pre>
<details><summary>What it was run with</summary>
<table>{% for key, value in part.about %}<tr><th scope="row">{{ key }}</th><td><code>{{ value }}</code></td></tr>
{% endfor %}</table></details>
{% for group in part.groups %}
<h3>{{ group.heading }}</h3>
{% for block in group.blocks %}
<div class="wide"><table>
<tr>{% for cell in block[0] %}<th scope="col">{{ cell }}</th>{% endfor %}</tr>
{% for cells in block[1:] %}<tr>{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% endfor %}
{% if group.svg %}<figure>{{ group.svg }}</figure>{% endif %}
{% endfor %}
</section>
{% endfor %}
</body>
</html>
"""


def write_report(results: Sequence[Path], out: Path, title: str) -> list[Path]:
    """Write `report.md`, `report.html` and a plot for each table into the folder `out`; returns the two files.

    Raises EvaluationError for a file that is no saved evaluation and a folder that cannot be written into.
    """
    saved = [(path, load_rows(path)) for path in results]
    parts: list[dict[str, Any]] = []
    plots: dict[str, str] = {}
    for number, (path, one) in enumerate(saved, start=1):
        groups = []
        for place, images in enumerate(dict.fromkeys(row.images for row in one.rows), start=1):
            rows = [row for row in one.rows if row.images == images]
            svg = interval_plot(rows)
            file = f"{number:02}-{_slug(path.stem)}-{place:02}.svg" if svg else ""
            if svg:
                plots[file] = svg
            groups.append(
                {
                    "heading": images[0].upper() + images[1:],
                    "blocks": table_blocks(rows),
                    "file": file,
                    "svg": Markup(svg[svg.index("<svg") :]) if svg else "",
                }
            )
        command = one.about.get("command") or UNRECORDED
        parts.append({"name": one.name, "command": command, "about": _about(path, one), "groups": groups})
    filled = {"title": title, "notice": NOTICE, "intervals": INTERVALS, "parts": parts}
    texts = {
        "report.md": _environment(html=False).from_string(_MARKDOWN).render(filled),
        "report.html": _environment(html=True).from_string(_HTML).render(filled),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (plots | texts).items():
            # Written beside and renamed: a report of before is not lost to a full disk.
            beside = out / f".{name}.part"
            beside.write_text(text, encoding="utf-8")
            beside.replace(out / name)
    except OSError as error:
        raise EvaluationError(f"{out} cannot be written into: {error.strerror}.") from error
    return [out / name for name in texts]


def interval_plot(rows: Sequence[Row]) -> str:
    """The rows' shares (0 to 1) with their intervals as an SVG, AUROC, F1 and kappa too; empty where there are none.

    Raises EvaluationError where matplotlib is missing.
    """
    shown = [
        (f"{row.subject}: {row.measure}", row.estimate.value, row.estimate.low, row.estimate.high)
        for row in rows
        if row.estimate.value is not None and row.estimate.low is not None and row.estimate.high is not None
        if row.estimate.low >= 0 and row.estimate.high <= 1 and (is_share(row) or is_score(row))
    ]
    if not shown:
        return ""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EvaluationError("Plots need matplotlib: pip install '.[evaluate]'") from error
    places = range(len(shown), 0, -1)
    with mpl.rc_context({"svg.hashsalt": "drafting", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 0.8 + 0.24 * len(shown)), layout="constrained")
        axes = figure.subplots()
        values = [value for _, value, _, _ in shown]
        below = [max(value - low, 0) for _, value, low, _ in shown]
        above = [max(high - value, 0) for _, value, _, high in shown]
        axes.errorbar(values, list(places), xerr=[below, above], fmt="o", markersize=4, capsize=2, color="#1f6f8b")
        axes.set_yticks(list(places), [name for name, *_ in shown], fontsize=8)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(0.4, len(shown) + 0.6)
        axes.grid(axis="x", alpha=0.3)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _about(path: Path, one: SavedRows) -> list[tuple[str, str]]:
    """What an evaluation was run with, by the names of its file."""
    told: list[tuple[str, str]] = [("file", path.name)]
    for key, value in one.about.items():
        if key == "command":
            continue
        if isinstance(value, Mapping):
            shown = ", ".join(f"{name} {each}" for name, each in value.items() if each is not None)
        else:
            shown = str(value) if value is not None else ""
        if shown:
            told.append((key.replace("_", " "), shown))
    return told


def _in_one_cell(text: str) -> str:
    """A text as it stands in one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _environment(html: bool) -> Environment:
    made = Environment(autoescape=html, undefined=StrictUndefined, keep_trailing_newline=True)
    made.filters["cell"] = _in_one_cell
    return made


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", type=Path, nargs="+", help="files that evaluate --json wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.md, report.html and the plots")
    parser.add_argument("--title", default="Evaluation", help="the report's heading")


def _run(options: argparse.Namespace) -> int:
    for path in write_report(options.results, options.out, options.title):
        print(path)
    return 0


COMMAND = Command(_declare, _run, (EvaluationError,))
