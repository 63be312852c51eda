"""When the next episode begins, for commands that never say so.

LeRobot's recorders have no call for "a new episode": they drive the robot for `episode_time_s`, then leave
`reset_time_s` for a person to tidy up, then save, then record again. A simulated scene is tidied up in the middle of
that second span, where no frame is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from robots.errors import UsageError

MIN_RESET_S = 2.0
SLACK_S = 0.35  # spans run over by up to a period each
PAUSE_S = 0.2  # no longer gap between two actions is expected, except while an episode is saved


@dataclass(slots=True)
class EpisodeTimer:
    """Follows the recorder's timetable from the first action of each recording on.

    Args:
        episode_s: The recorder's `episode_time_s`; 0 means that episodes never end by the clock.
        reset_s: The recorder's `reset_time_s`.

    Raises:
        UsageError: A span is negative, or too short to tell recording from resetting.
    """

    episode_s: float = 0.0
    reset_s: float = 0.0
    _began_s: float | None = None
    _changed: bool = False
    _last_s: float = 0.0

    def __post_init__(self) -> None:
        if self.episode_s < 0.0 or self.reset_s < 0.0:
            raise UsageError("baton_sim: episode_time_s and reset_time_s must not be negative.")
        if self.episode_s > 0.0 and self.reset_s < MIN_RESET_S:
            raise UsageError(
                f"baton_sim: reset_time_s must be at least {MIN_RESET_S} when episode_time_s is given; "
                "give the same values as --dataset.episode_time_s and --dataset.reset_time_s."
            )

    @property
    def waiting(self) -> bool:
        """Whether the next scene is set up, but its recording has not begun."""
        return self._changed

    def restart(self) -> None:
        """Forget the timetable: the next action begins a recording."""
        self._began_s, self._changed = None, False

    def acted(self, now_s: float) -> None:
        """Note an action at `now_s` [s]: the first one after the reset span begins the next recording.

        Saving an episode leaves a pause, which tells the two apart. Where none is seen, the clock decides, and is off
        by up to `SLACK_S` more with every episode.
        """
        if self._began_s is None or self._strayed(now_s) or (self._changed and self._over(self._began_s, now_s)):
            self._began_s, self._changed = now_s, False
        self._last_s = now_s

    def _over(self, began_s: float, now_s: float) -> bool:
        """Whether the reset is over: by the clock, or by a pause at about its end."""
        late_s = now_s - (began_s + self.episode_s + self.reset_s)
        return late_s >= SLACK_S or (late_s >= -SLACK_S and now_s - self._last_s > PAUSE_S)

    def due(self, now_s: float) -> bool:
        """Return True once per recording: when half of the reset span has passed."""
        if self.episode_s == 0.0 or self._began_s is None or self._changed or self._strayed(now_s):
            return False
        self._changed = now_s >= self._began_s + self.episode_s + 0.5 * self.reset_s
        return self._changed

    def _strayed(self, now_s: float) -> bool:
        if self._began_s is None or self._changed:
            return False
        return self._last_s - self._began_s <= 0.25 * self.reset_s and now_s - self._last_s > PAUSE_S
