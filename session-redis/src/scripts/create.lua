#!lua
-- Writes a session that is not there yet.
-- KEYS: session
-- ARGV: now, value, ms to live, channel or '', announcement,
--       server time in ms after which it is too late or ''
-- Answers 1 created, 0 duplicate.
if ARGV[6] ~= '' then
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[6]) then
    return redis.error_reply('LATE to be listed under its subject')
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  -- It may have ended already by the clock that deadlines are set by, and not yet by the server's.
  local head = redis.call('GETRANGE', KEYS[1], 0, 27)
  if string.sub(head, 1, 2) ~= 'S\1' or #head < 28 then
    return 0
  end
  local idle, absolute = struct.unpack('>i8i8', head, 13)
  if tonumber(ARGV[1]) < math.min(idle, absolute) then
    return 0
  end
end
-- First, since it may be refused (a user may lack the channel): then nothing is written.
if ARGV[4] ~= '' then
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
