-- Where a user stands.
-- KEYS: the order of a board, its rows. ARGV: the uid.
-- Gives how many stand before, and the score; nothing for who is not on it.
local row = redis.call('HGET', KEYS[2], ARGV[1])
if not row then return {} end
local score, reached = string.match(row, '^%-?%d+:(%-?%d+):(%x+):')
local rank = redis.call('ZRANK', KEYS[1], reached .. ARGV[1] .. ' ' .. score)
if not rank then return {} end
return {rank, score}
