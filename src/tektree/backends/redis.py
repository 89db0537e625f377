"""Storage on Redis for what is kept for a while: sessions, quotas, rate limits, caches. It needs ``tektree[redis]``.

`TekTree.connect` wires it; `with_redis` and `async_with_redis` put it into storages of your own, and take another
deadline than two seconds. `facts` and `async_facts` ask a server what `tektree.rules.servers.diagnosed` looks at,
`facts_of_each` and `async_facts_of_each` every primary of a cluster what `diagnosed_each` does.
"""

from tektree._async.backends.redis.connecting import facts_of as async_facts
from tektree._async.backends.redis.connecting import facts_of_each as async_facts_of_each
from tektree._async.backends.redis.connecting import with_redis as async_with_redis
from tektree._sync.backends.redis.connecting import facts_of as facts
from tektree._sync.backends.redis.connecting import facts_of_each, with_redis

__all__ = ["async_facts", "async_facts_of_each", "async_with_redis", "facts", "facts_of_each", "with_redis"]
