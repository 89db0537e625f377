"""All storages in memory, in one value."""

from tektree._async.backends.memory.accounts import AsyncMemoryAccounts
from tektree._async.backends.memory.answers import AsyncMemoryAnswers
from tektree._async.backends.memory.areas import AsyncMemoryAreas, AsyncMemoryFollows
from tektree._async.backends.memory.connections import AsyncMemoryConnections
from tektree._async.backends.memory.events import AsyncMemoryDeliveries
from tektree._async.backends.memory.insights import AsyncMemoryInsights
from tektree._async.backends.memory.questions import AsyncMemoryQuestions
from tektree._async.backends.memory.streams import AsyncMemoryEffects, AsyncMemoryLeases
from tektree._async.backends.memory.subscriptions import AsyncMemorySubscriptions
from tektree._async.backends.memory.unbroken import AsyncMemoryUnbroken
from tektree._async.backends.memory.votes import AsyncMemoryVotes
from tektree._async.ports.bundles import AsyncBackends

__all__ = ["memory_backends"]


def memory_backends() -> AsyncBackends:
    """A fresh set of storage in this process's memory. It never waits for anything."""
    unbroken = AsyncMemoryUnbroken()
    return AsyncBackends(
        *unbroken.parts,
        AsyncMemoryDeliveries(),
        AsyncMemoryAccounts(),
        AsyncMemorySubscriptions(),
        areas=AsyncMemoryAreas(),
        follows=AsyncMemoryFollows(),
        questions=AsyncMemoryQuestions(),
        answers=AsyncMemoryAnswers(),
        votes=AsyncMemoryVotes(),
        connections=AsyncMemoryConnections(),
        insights=AsyncMemoryInsights(),
        leases=AsyncMemoryLeases(),
        effects=AsyncMemoryEffects(),
        unbroken=unbroken,
    )
