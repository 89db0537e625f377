"""Storage in MongoDB, for PyMongo, PyMongo Async, Motor, and mongomock in tests. It needs ``tektree[mongo]``.

`TekTree.connect` wires it; `mongo_backends` and `async_mongo_backends` give the same storages to those who want to put
something around them, or another deadline than ten seconds.
"""

from tektree._async.backends.mongo.connecting import mongo_backends as async_mongo_backends
from tektree._async.backends.mongo.setup import Drift as AsyncDrift
from tektree._sync.backends.mongo.connecting import mongo_backends
from tektree._sync.backends.mongo.setup import Drift

__all__ = ["AsyncDrift", "Drift", "async_mongo_backends", "mongo_backends"]
