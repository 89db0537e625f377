-- What a reader of a board sees of a user, and how many stand on it.
-- KEYS: the board, for readers; its order. ARGV: the uid.
-- Gives the score, nothing for who is not on it; how many stand on the board; and how many in its order.
return {redis.call('ZSCORE', KEYS[1], ARGV[1]), redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2])}
