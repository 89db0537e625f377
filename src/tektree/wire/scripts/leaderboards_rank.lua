-- Where a user stands.
-- KEYS: the board, its order, its rows. ARGV: the uid.
-- Gives how many stand before, and the score that readers of the board see; nothing for who is not on it.
local row, score = redis.call('HGET', KEYS[3], ARGV[1]), redis.call('ZSCORE', KEYS[1], ARGV[1])
if not row or not score then return {} end
local points, reached = string.match(row, '^%-?%d+:(%-?%d+):(%x+):')
local rank = redis.call('ZRANK', KEYS[2], reached .. ARGV[1] .. ' ' .. points)
if not rank then return {} end
return {rank, score}
