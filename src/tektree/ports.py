"""What services need from storage, both flavours: the protocols that a storage of your own implements."""

from tektree._async.ports.accounts import AsyncAccountRepository
from tektree._async.ports.admissions import AsyncAdmissionStore
from tektree._async.ports.answers import AsyncAnswerRepository
from tektree._async.ports.areas import AsyncAreaRepository, AsyncFollowRepository
from tektree._async.ports.bundles import AsyncBackends
from tektree._async.ports.caches import AsyncCacheStore, AsyncQuestionReader, AsyncUserReader
from tektree._async.ports.connections import AsyncConnectionRepository
from tektree._async.ports.documents import AsyncDocuments
from tektree._async.ports.events import AsyncDeliveries, AsyncEventLog
from tektree._async.ports.filings import AsyncFilings
from tektree._async.ports.gamification import AsyncGamificationRepository, AsyncLedger
from tektree._async.ports.insights import AsyncInsightRepository
from tektree._async.ports.leaderboards import AsyncLeaderboardStore, AsyncOpenBoards
from tektree._async.ports.questions import AsyncQuestionRepository
from tektree._async.ports.quotas import AsyncQuotaStore, AsyncUsageReader
from tektree._async.ports.rate_limits import AsyncRateLimitStore
from tektree._async.ports.sessions import AsyncAccountsReader, AsyncSessionStore
from tektree._async.ports.subscriptions import AsyncSubscriptionRepository
from tektree._async.ports.unbroken import AsyncUnbroken
from tektree._async.ports.votes import AsyncVoteRepository
from tektree._sync.ports.accounts import AccountRepository
from tektree._sync.ports.admissions import AdmissionStore
from tektree._sync.ports.answers import AnswerRepository
from tektree._sync.ports.areas import AreaRepository, FollowRepository
from tektree._sync.ports.bundles import Backends
from tektree._sync.ports.caches import CacheStore, QuestionReader, UserReader
from tektree._sync.ports.connections import ConnectionRepository
from tektree._sync.ports.documents import Documents
from tektree._sync.ports.events import Deliveries, EventLog
from tektree._sync.ports.filings import Filings
from tektree._sync.ports.gamification import GamificationRepository, Ledger
from tektree._sync.ports.insights import InsightRepository
from tektree._sync.ports.leaderboards import LeaderboardStore, OpenBoards
from tektree._sync.ports.questions import QuestionRepository
from tektree._sync.ports.quotas import QuotaStore, UsageReader
from tektree._sync.ports.rate_limits import RateLimitStore
from tektree._sync.ports.sessions import AccountsReader, SessionStore
from tektree._sync.ports.subscriptions import SubscriptionRepository
from tektree._sync.ports.unbroken import Unbroken
from tektree._sync.ports.votes import VoteRepository

__all__ = [
    "AccountRepository",
    "AccountsReader",
    "AdmissionStore",
    "AnswerRepository",
    "AreaRepository",
    "AsyncAccountRepository",
    "AsyncAccountsReader",
    "AsyncAdmissionStore",
    "AsyncAnswerRepository",
    "AsyncAreaRepository",
    "AsyncBackends",
    "AsyncCacheStore",
    "AsyncConnectionRepository",
    "AsyncDeliveries",
    "AsyncDocuments",
    "AsyncEventLog",
    "AsyncFilings",
    "AsyncFollowRepository",
    "AsyncGamificationRepository",
    "AsyncInsightRepository",
    "AsyncLeaderboardStore",
    "AsyncLedger",
    "AsyncOpenBoards",
    "AsyncQuestionReader",
    "AsyncQuestionRepository",
    "AsyncQuotaStore",
    "AsyncRateLimitStore",
    "AsyncSessionStore",
    "AsyncSubscriptionRepository",
    "AsyncUnbroken",
    "AsyncUsageReader",
    "AsyncUserReader",
    "AsyncVoteRepository",
    "Backends",
    "CacheStore",
    "ConnectionRepository",
    "Deliveries",
    "Documents",
    "EventLog",
    "Filings",
    "FollowRepository",
    "GamificationRepository",
    "InsightRepository",
    "LeaderboardStore",
    "Ledger",
    "OpenBoards",
    "QuestionReader",
    "QuestionRepository",
    "QuotaStore",
    "RateLimitStore",
    "SessionStore",
    "SubscriptionRepository",
    "Unbroken",
    "UsageReader",
    "UserReader",
    "VoteRepository",
]
