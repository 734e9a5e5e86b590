"""All undocumented parts of Gradio that this app uses, in one place.

Gradio 6.31 holds the values of an event for each stream name in its state holder, and messages that nobody has fetched
in its queue; it drops the former only when other streams push them out, and the latter never. A value here is a report,
so both go with the run. Gradio's queue also looks for work a thousand times a second, which costs a tenth of a
processor; no setting changes that. Knows nothing of what the values mean.
"""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

# A run waits for at most so long before it begins: a tenth of what a person notices.
LOOK_FOR_WORK_SECONDS = 0.02
# Gradio's own progress bars; nothing here uses them.
LOOK_FOR_PROGRESS_SECONDS = 1.0
MOST_WAITING = 64


class GradioInside:
    """The queue and the state of a launched Gradio app."""

    def __init__(self, blocks: gr.Blocks) -> None:
        self._blocks = blocks
        queue = blocks._queue
        queue.sleep_when_free = LOOK_FOR_WORK_SECONDS
        queue.progress_update_sleep_when_free = LOOK_FOR_PROGRESS_SECONDS
        queue.max_size = MOST_WAITING

    @property
    def endpoints(self) -> Mapping[str, int]:
        """Gradio's number for each endpoint, by its name."""
        return {function.api_name: number for number, function in self._blocks.fns.items() if function.api_name}

    def is_known(self, stream: str) -> bool:
        """Whether an event has joined the queue under this name, so that there is something to read."""
        return stream in self._blocks._queue.pending_messages_per_session

    def forget_values(self, stream: str) -> None:
        """Drop the values of the events of this stream. A run under way does not need them any more."""
        self._blocks.state_holder.session_data.pop(stream, None)
        self._blocks.state_holder.time_last_used.pop(stream, None)

    def forget_stream(self, stream: str) -> None:
        """Drop the messages of a stream that nobody reads. Its events end without sending more."""
        self.forget_values(stream)
        queue = self._blocks._queue
        for event_id in queue.pending_event_ids_session.pop(stream, ()):
            if event := queue.event_ids_to_events.get(event_id):
                event.alive = False
        queue.pending_messages_per_session.pop(stream, None)
