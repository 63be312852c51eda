"""The generalist as a skill: it holds the robot's lease and proposes the actions that the policy server computes."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from robots.errors import SchemaError
from robots.types import (
    Command,
    DetectionFrame,
    Lease,
    Observation,
    RobotDescription,
    SkillHealth,
    SkillState,
    Task,
)
from vla_bridge.chunks import ChunkQueue
from vla_bridge.client import PolicyClient
from vla_bridge.exchange import Reply
from vla_bridge.link import LinkState, LinkStatus
from vla_bridge.messages import PolicySchema, ReplyOutcome
from vla_bridge.observations import PrivilegedState, assemble, check_robot

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SkillConfig:
    """How the skill asks for chunks and when it gives up.

    Attributes:
        deadline_s: How long an answer is worth waiting for [s].
        max_age_s: A chunk whose observation is older than this when it arrives is refused [s].
        refill_at: Ask for the next chunk when at most this share of the horizon is left.
        patience: Consecutive late or refused answers after which the skill fails.
        prefetch_age_s: While the lease is pending, ask anew when the prefetched chunk is older than this [s].
    """

    deadline_s: float = 1.0
    max_age_s: float = 2.0
    refill_at: float = 0.5
    patience: int = 3
    prefetch_age_s: float = 0.5


class GeneralistSkill:
    """Satisfies the controller's `Skill` protocol. Never blocks, never raises for a fault of the server.

    Chunks are requested under the epoch of the pending lease while the gate still holds the robot, so that the first
    command is at hand when the lease is granted. A chunk of another epoch is never executed.

    Args:
        client: Connection to the policy server; started here, closed by its owner.
        description: The robot that will execute the actions.
        privileged_state: Source of `privileged.*` arrays, in a simulation; None on a robot.
        config: See `SkillConfig`.
    """

    def __init__(
        self,
        client: PolicyClient,
        description: RobotDescription,
        privileged_state: PrivilegedState | None = None,
        config: SkillConfig | None = None,
    ) -> None:
        self._client = client
        self._description = description
        self._privileged_state = privileged_state
        self._config = config or SkillConfig()
        self._instruction = ""
        self._epoch: int | None = None
        self._request_seq = 0
        self._command_seq = 0
        self._open = False
        self._granted = False
        self._done = False
        self._strikes = 0
        self._failure = ""
        self._misfit = ""
        self._schema: PolicySchema | None = None
        self._queue: ChunkQueue | None = None
        client.start()

    def reset(self, task: Task) -> None:
        """Forget the last episode and prepare the server for `task`."""
        self._instruction = task.instruction
        self._begin(None)
        self._client.arm()

    def prepare(self, observation: Observation, lease: Lease) -> bool:
        """Prefetch under the pending `lease`. Returns True once its first command can be proposed at once."""
        queue = self._follow(observation, lease)
        if queue is None:
            return False
        if observation.captured_at_s - queue.captured_at_s > self._config.prefetch_age_s:
            self._ask(observation, lease)
        return not self._failure and queue.fresh(observation.captured_at_s)

    def propose(self, observation: Observation, frame: DetectionFrame | None, lease: Lease) -> Command | None:
        """Return the action due at the observation's capture time, or None while there is none."""
        now = observation.captured_at_s
        queue = self._follow(observation, lease)
        if queue is None or self._done:
            return None
        if not self._granted:  # the gate has kept the pose since the prefetched observation
            self._granted = True
            queue.anchor(now)
        if queue.remaining(now) <= self._config.refill_at * queue.horizon:
            self._ask(observation, lease)
        due = queue.due(now)
        if due is None:
            return None
        self._command_seq += 1
        return Command(lease.holder, lease.epoch, self._command_seq, due.captured_at_s, due.action)

    def health(self) -> SkillHealth:
        """Return the state: WARMING until the server is ready and fits the robot, then READY, DONE or FAILED."""
        link = self._client.link()
        failure = self._failure or self._mismatch(link)
        if failure:
            return SkillHealth(SkillState.FAILED, failure)
        if not link.state.usable:
            return SkillHealth(SkillState.WARMING, f"{link.state}: {link.detail or self._client.endpoint}")
        if self._done:
            return SkillHealth(SkillState.DONE)
        return SkillHealth(SkillState.READY)

    def _begin(self, epoch: int | None) -> None:
        self._epoch = epoch
        self._open = self._granted = self._done = False
        self._strikes = self._command_seq = 0
        self._failure = ""
        if self._queue is not None:
            self._queue.flush(epoch)

    def _follow(self, observation: Observation, lease: Lease) -> ChunkQueue | None:
        """Bring the skill up to date with the lease, the link and the replies. None when it cannot act."""
        if lease.epoch != self._epoch:
            self._begin(lease.epoch)
        link = self._client.link()
        mismatch = self._mismatch(link)
        if mismatch or link.state is LinkState.LOST:
            self._fail(mismatch or f"lost: {link.detail}")
        while (reply := self._client.poll()) is not None:
            if reply.epoch == self._epoch:
                self._take(reply, observation.captured_at_s)
        return None if self._failure or not link.state.usable else self._queue

    def _mismatch(self, link: LinkStatus) -> str:
        """Return why this server cannot serve this robot, or an empty string. A new schema is checked once."""
        if link.state in (LinkState.FAILED, LinkState.REFUSED):
            return f"{link.state}: {link.detail}"
        if link.schema is None or link.schema == self._schema:
            return self._misfit
        self._schema, self._misfit = link.schema, ""
        try:
            check_robot(self._description, link.schema, privileged=self._privileged_state is not None)
        except SchemaError as error:
            self._misfit = str(error)
        self._queue = ChunkQueue(link.schema, max_age_s=self._config.max_age_s)
        self._queue.flush(self._epoch)
        return self._misfit

    def _take(self, reply: Reply, now: float) -> None:
        self._open = False
        if reply.chunk is None or self._queue is None:
            problem = f"{reply.outcome}: {reply.detail}"
        else:
            problem = self._queue.accept(reply.chunk, now)
        if not problem:
            self._strikes = 0
            self._done = self._done or (reply.chunk is not None and reply.chunk.done)
            return
        self._strikes += 1
        logger.warning("No usable chunk (%d in a row): %s.", self._strikes, problem)
        fatal = reply.outcome in (ReplyOutcome.REJECTED, ReplyOutcome.LOST)
        if fatal or self._strikes >= self._config.patience:
            self._fail(problem)

    def _ask(self, observation: Observation, lease: Lease) -> None:
        if self._open or self._schema is None:
            return
        try:
            arrays = assemble(observation, self._schema, self._privileged_state)
        except SchemaError as error:
            self._fail(str(error))
            return
        self._request_seq += 1
        self._open = True
        self._client.request(
            arrays,
            instruction=self._instruction,
            epoch=lease.epoch,
            seq=self._request_seq,
            captured_at_s=observation.captured_at_s,
            deadline_s=self._config.deadline_s,
        )

    def _fail(self, reason: str) -> None:
        if not self._failure:
            logger.warning("The generalist cannot act: %s", reason)
            self._failure = reason
