"""The registry of trainings: a new one is a file with a command and a line here."""

from __future__ import annotations

TRAININGS = {
    "sight": ("model.training.sight.command:SIGHT", "the vision tower of the small model, which comes first"),
    "default": ("model.training.small.command:DEFAULT", "the small model that the repository ships"),
    "sibling": ("model.training.small.command:SIBLING", "its autoregressive sibling, for comparison"),
    "tokenizer": (
        "model.training.small.command:TOKENIZER",
        "only their tokenizer, ahead of time",
    ),
    "lora": ("model.training.lora.command:COMMAND", "a LoRA adapter of any DiffusionGemma or Gemma 4 checkpoint"),
}
