#!lua flags=allow-oom
-- Moves an idle deadline forward, but not past the absolute one.
-- KEYS: session
-- ARGV: now, idle deadline, the same as a number, ms until then
-- Answers 1 done, 0 gone.
local head = redis.call('GETRANGE', KEYS[1], 0, 27)
if head == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if string.sub(head, 1, 2) ~= 'S\1' or #head < 28 then
  return redis.error_reply('CORRUPT no session')
end
local idle, absolute = struct.unpack('>i8i8', head, 13)
if tonumber(ARGV[1]) >= math.min(idle, absolute) then
  return 0
end
local deadline, written, ttl = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if written > absolute then
  ttl = ttl - (written - absolute)
  deadline, written = string.sub(head, 21, 28), absolute
end
if written > idle then
  redis.call('SETRANGE', KEYS[1], 12, deadline)
end
-- Even if the deadline stays, since another node's clock may have set it: what the server counts
-- down is the time that is left.
if ttl > 0 then
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl), 'GT')
end
return 1
