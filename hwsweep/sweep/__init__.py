"""The sweep engine: a space of overrides, a study that is never lost, a process for each trial.

space: what is searched        sampling: Optuna's samplers, seeded by trial        expression: exclude and when
folder: a study's folder       book: its trials, in Optuna                         view: what others see of it
pool, launcher: what runs jobs                     worker, process, trial: a run in its own process
server: what those processes are copies of         jobs: the same processes for other sweepers
engine: one sweep as a story                       runner: its loop; queue: which run is next
refusal: points that cannot be                     runs: a trial's runs, one or one per seed
claims: whose trial it is                          join, heartbeat: a study of several processes; locks
carry: what is sent to another process             garbage: what the collector need not look at
"""

from __future__ import annotations


class SweepError(Exception):
    """The sweep cannot begin or go on; the message names the invariant, the values and the way out."""
