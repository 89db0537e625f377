"""Storage in this process's memory. It needs no server, never waits, and keeps every promise of the ports.

`memory_backends` and `async_memory_backends` give a fresh set of all of them, to put one of your own in its place:
``dataclasses.replace(memory_backends(), events=log)``.
"""

from tektree._async.backends.memory.accounts import AsyncMemoryAccounts
from tektree._async.backends.memory.answers import AsyncMemoryAnswers
from tektree._async.backends.memory.areas import AsyncMemoryAreas, AsyncMemoryFollows
from tektree._async.backends.memory.bundles import memory_backends as async_memory_backends
from tektree._async.backends.memory.caches import AsyncMemoryCaches
from tektree._async.backends.memory.connections import AsyncMemoryConnections
from tektree._async.backends.memory.events import AsyncMemoryDeliveries, AsyncMemoryEventLog
from tektree._async.backends.memory.gamification import AsyncMemoryGamification, AsyncMemoryLedger
from tektree._async.backends.memory.insights import AsyncMemoryInsights
from tektree._async.backends.memory.leaderboards import AsyncMemoryLeaderboards
from tektree._async.backends.memory.questions import AsyncMemoryQuestions
from tektree._async.backends.memory.quotas import AsyncMemoryQuotas
from tektree._async.backends.memory.rate_limits import AsyncMemoryRateLimits
from tektree._async.backends.memory.sessions import AsyncMemorySessions
from tektree._async.backends.memory.subscriptions import AsyncMemorySubscriptions
from tektree._async.backends.memory.votes import AsyncMemoryVotes
from tektree._sync.backends.memory.accounts import MemoryAccounts
from tektree._sync.backends.memory.answers import MemoryAnswers
from tektree._sync.backends.memory.areas import MemoryAreas, MemoryFollows
from tektree._sync.backends.memory.bundles import memory_backends
from tektree._sync.backends.memory.caches import MemoryCaches
from tektree._sync.backends.memory.connections import MemoryConnections
from tektree._sync.backends.memory.events import MemoryDeliveries, MemoryEventLog
from tektree._sync.backends.memory.gamification import MemoryGamification, MemoryLedger
from tektree._sync.backends.memory.insights import MemoryInsights
from tektree._sync.backends.memory.leaderboards import MemoryLeaderboards
from tektree._sync.backends.memory.questions import MemoryQuestions
from tektree._sync.backends.memory.quotas import MemoryQuotas
from tektree._sync.backends.memory.rate_limits import MemoryRateLimits
from tektree._sync.backends.memory.sessions import MemorySessions
from tektree._sync.backends.memory.subscriptions import MemorySubscriptions
from tektree._sync.backends.memory.votes import MemoryVotes

__all__ = [
    "AsyncMemoryAccounts",
    "AsyncMemoryCaches",
    "AsyncMemoryAnswers",
    "AsyncMemoryAreas",
    "AsyncMemoryConnections",
    "AsyncMemoryDeliveries",
    "AsyncMemoryEventLog",
    "AsyncMemoryFollows",
    "AsyncMemoryGamification",
    "AsyncMemoryInsights",
    "AsyncMemoryLeaderboards",
    "AsyncMemoryLedger",
    "AsyncMemoryQuestions",
    "AsyncMemoryQuotas",
    "AsyncMemoryRateLimits",
    "AsyncMemorySessions",
    "AsyncMemorySubscriptions",
    "AsyncMemoryVotes",
    "MemoryAccounts",
    "MemoryCaches",
    "MemoryAnswers",
    "MemoryAreas",
    "MemoryConnections",
    "MemoryDeliveries",
    "MemoryEventLog",
    "MemoryFollows",
    "MemoryGamification",
    "MemoryInsights",
    "MemoryLeaderboards",
    "MemoryLedger",
    "MemoryQuestions",
    "MemoryQuotas",
    "MemoryRateLimits",
    "MemorySessions",
    "MemorySubscriptions",
    "MemoryVotes",
    "async_memory_backends",
    "memory_backends",
]
