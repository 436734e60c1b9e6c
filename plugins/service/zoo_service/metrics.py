# SPDX-License-Identifier: Apache-2.0
"""What a service counts of itself, in the text format of Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from zoo_service.jobs import JobQueue

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """Counters of one service.

    Args:
        queue: Its length is read when somebody asks.
    """

    def __init__(self, queue: JobQueue) -> None:
        # They double the lines, and all say when the service began.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "zoo_requests", "Answered requests.", ["model", "status"], registry=self._registry
        )
        self._vanished = Counter(
            "zoo_vanished", "Clients that left before their answer.", registry=self._registry
        )
        self._request_s = self._histogram(
            "zoo_request_seconds", "From a request's header to its answer."
        )
        self._wait_s = self._histogram("zoo_queue_seconds", "In the queue.")
        self._predict_s = self._histogram(
            "zoo_predict_seconds", "Prediction and encoding of one image."
        )
        waiting = Gauge("zoo_queue_length", "Requests that wait.", registry=self._registry)
        waiting.set_function(lambda: len(queue))
        taken = Gauge(
            "zoo_requests_in_progress",
            "Requests that are received, wait or are predicted.",
            registry=self._registry,
        )
        taken.set_function(lambda: queue.taken)
        self._ready = Gauge(
            "zoo_processes_ready", "Processes that can predict.", registry=self._registry
        )
        self._restarts = Counter(
            "zoo_process_restarts", "Processes that were lost.", registry=self._registry
        )
        self._memory = Gauge(
            "zoo_process_resident_memory_bytes",
            "Memory of a process that predicts, after its last image.",
            ["process"],
            registry=self._registry,
        )

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, ["model"], buckets=_BOUNDS_S, registry=self._registry)

    def text(self) -> bytes:
        """Return all of it as text."""
        return generate_latest(self._registry)

    def answered(self, model: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            model: Name of the model; empty if there is none of the name.
            status: Of HTTP.
            seconds: From the request's header to the answer.
        """
        self._requests.labels(model, str(status)).inc()
        if model:
            self._request_s.labels(model).observe(seconds)

    def vanished(self) -> None:
        """Count a client that has gone."""
        self._vanished.inc()

    def waited(self, model: str, seconds: float) -> None:
        """Count the wait of a job.

        Args:
            model: Name of the model.
            seconds: In the queue.
        """
        self._wait_s.labels(model).observe(seconds)

    def predicted(self, model: str, seconds: float) -> None:
        """Count a prediction.

        Args:
            model: Name of the model.
            seconds: That it took.
        """
        self._predict_s.labels(model).observe(seconds)

    def ready(self, count: int) -> None:
        """Note how many processes can predict.

        Args:
            count: Of processes.
        """
        self._ready.set(count)

    def restarted(self) -> None:
        """Count a process that was lost."""
        self._restarts.inc()

    def memory(self, process: int, size_bytes: int) -> None:
        """Note the memory of a process.

        Args:
            process: Its number.
            size_bytes: Its resident memory.
        """
        self._memory.labels(str(process)).set(size_bytes)
