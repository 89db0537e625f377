"""Storage on Redis for what is kept for a while: sessions, quotas, rate limits, caches. It needs ``tektree[redis]``.

`TekTree.connect` wires it; `with_redis` and `async_with_redis` put it into storages of your own, and take another
deadline than two seconds.
"""

from tektree._async.backends.redis.connecting import with_redis as async_with_redis
from tektree._sync.backends.redis.connecting import with_redis

__all__ = ["async_with_redis", "with_redis"]
