"""The registry of evaluations: a new one is a file with a task and a line here."""

from __future__ import annotations

EVALUATIONS = {
    "labels": (
        "model.evaluation.reports.labels:COMMAND",
        "findings in drafts and answers about held-out radiographs",
    ),
    "sight": (
        "model.evaluation.reports.expert:COMMAND",
        "radiographs that radiologists read, asked about and drafted: AUROC, normal or abnormal",
    ),
    "infill": ("model.evaluation.reports.infill:COMMAND", "single sentences of held-out reports, drafted again"),
    "vqa": (
        "model.evaluation.vqa.command:COMMAND",
        "questions about images, answered in words: of a pack, or of a set of questions",
    ),
    "judge": ("model.evaluation.judge.command:COMMAND", "agreement of a judge with people"),
    "looked": (
        "model.evaluation.reports.looked:COMMAND",
        "maps of where the model looked, compared with painted findings",
    ),
    "speed": ("model.evaluation.speed.command:COMMAND", "how fast drafts are, beside transformers' generate()"),
    "report": ("model.evaluation.publish.report:COMMAND", "one Markdown and one HTML file of saved evaluations"),
}
