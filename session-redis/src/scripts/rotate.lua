#!lua
-- Moves a session to a new key if it is still at the expected revision.
-- KEYS: session, its successor
-- ARGV: now, expected revision, value, ms to live, channel or '', announcement of the end,
--       announcement of the beginning, server time in ms after which it is too late or ''
-- Answers 1 rotated, 0 gone, or the current value.
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
if string.sub(head, 5, 12) ~= ARGV[2] then
  return redis.call('GET', KEYS[1])
end
if ARGV[8] ~= '' then
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[8]) then
    return redis.error_reply('LATE to be listed under its subject')
  end
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  -- It may have ended already by the clock that deadlines are set by, and not yet by the server's.
  local taken = redis.call('GETRANGE', KEYS[2], 0, 27)
  local ended = false
  if string.sub(taken, 1, 2) == 'S\1' and #taken == 28 then
    local its_idle, its_absolute = struct.unpack('>i8i8', taken, 13)
    ended = tonumber(ARGV[1]) >= math.min(its_idle, its_absolute)
  end
  if not ended then
    return redis.error_reply('TAKEN by another session')
  end
end
-- First, since it may be refused (a user may lack the channel): then nothing is written.
if ARGV[5] ~= '' then
  redis.call('PUBLISH', ARGV[5], ARGV[6])
  redis.call('PUBLISH', ARGV[5], ARGV[7])
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
redis.call('DEL', KEYS[1])
return 1
