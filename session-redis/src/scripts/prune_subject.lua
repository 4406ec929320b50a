#!lua flags=allow-oom
-- Removes entries of an index that lead to no session, unless they are so young that the session
-- may be about to be written.
-- KEYS: index of the subject
-- ARGV: ms for which an entry is left alone, entries
-- Answers how many were removed.
local time = redis.call('TIME')
local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[1])
local removed = 0
for i = 2, #ARGV do
  if #ARGV[i] ~= 40 or struct.unpack('>I6', ARGV[i], 35) < oldest then
    removed = removed + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return removed
