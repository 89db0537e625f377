-- Gives what is cached, or the right to load it.
-- KEYS: the record, and who is loading it. ARGV: the load's token, the milliseconds that it may take, and 1 when what is
-- cached is none, whatever it is, else 0.
-- Gives the text; 1 when the load is this token's, 0 when it is another's. What is no text, or stays for ever, is nobody's.
local text = redis.pcall('GET', KEYS[1])
if type(text) == 'string' and ARGV[3] == '0' then return text end
local token = redis.pcall('GET', KEYS[2])
if type(token) == 'string' and token ~= ARGV[1] and redis.call('PTTL', KEYS[2]) > 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
