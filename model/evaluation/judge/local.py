"""A judge in this process: a causal language model with a chat template, from a folder or the hub.

This module knows nothing of questions and verdicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, cast

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer

from model.evaluation.judge.endpoint import EndpointError, Message
from model.evaluation.record import EvaluationError, weights_hash
from model.network.loading import UNUSABLE


class LocalJudge:
    """Says its likeliest words. `name` holds the weights' hash: verdicts of other weights are other verdicts."""

    def __init__(self, source: str, tokens: int = 64, device: str | torch.device | None = None) -> None:
        """`tokens`: of a reply at most. Raises EvaluationError for what is no causal language model for chats."""
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.bfloat16 if chosen.type == "cuda" else torch.float32
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(source)
            if not self._tokenizer.chat_template:
                raise EvaluationError(f"{source} has no chat template: it cannot give verdicts.")
            self._network = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, device_map={"": chosen})
            self.weights_sha256 = weights_hash(source)
        except UNUSABLE as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise EvaluationError(f"{source} cannot be loaded as a judge: {first}") from error
        self._network.eval().requires_grad_(False)
        self._tokens = tokens
        self._lock = Lock()
        shown = Path(source).name if Path(source).exists() else source
        self.name = f"{shown}, weights {self.weights_sha256[:16]}, {str(dtype).removeprefix('torch.')}"

    @torch.inference_mode()
    def reply(self, messages: Sequence[Message]) -> str:
        try:
            templated = self._tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=True, return_dict=True, return_tensors="pt"
            )
        except TemplateError as error:
            raise EndpointError(f"{self.name}: its chat template refuses the question: {error}.") from error
        told = cast(Any, templated).to(self._network.device)
        with self._lock:
            written = cast(Any, self._network).generate(
                **told, max_new_tokens=self._tokens, do_sample=False, temperature=None, top_p=None, top_k=None
            )
        return cast(str, self._tokenizer.decode(written[0, told["input_ids"].shape[1] :], skip_special_tokens=True))
