#!lua
-- Lists a session under its subject, before the session is written.
-- KEYS: index of the subject
-- ARGV: the session's partition and digest, ms that the session will live at most
-- Answers the server's time in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], 0, ARGV[1] .. struct.pack('>I6', now))
-- Never shortened: other sessions of the subject may live longer.
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return now
