#!lua
-- Writes a session if it is still at the expected revision.
-- KEYS: session
-- ARGV: now, expected revision, value, ms to live, channel or '', announcement,
--       length and name of the subject or '', server time in ms after which it is too late or ''
-- Answers 1 replaced, 0 gone, 2 to be listed under its subject first, or the current value.
local head = redis.call('GETRANGE', KEYS[1], 0, 36 + #ARGV[7])
if head == '' and redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if string.sub(head, 1, 2) ~= 'S\1' or #head < 37 then
  return redis.error_reply('CORRUPT no session')
end
local idle, absolute = struct.unpack('>i8i8', head, 13)
if tonumber(ARGV[1]) >= math.min(idle, absolute) then
  return 0
end
if string.sub(head, 5, 12) ~= ARGV[2] then
  return redis.call('GET', KEYS[1])
end
if ARGV[7] ~= '' then
  if ARGV[8] == '' then
    -- The entry of before does for the same subject, and for as long as the session was to live.
    local lives_longer = struct.unpack('>i8', ARGV[3], 21) > absolute
    if string.sub(head, 38) ~= ARGV[7] or lives_longer then
      return 2
    end
  else
    local time = redis.call('TIME')
    if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[8]) then
      return redis.error_reply('LATE to be listed under its subject')
    end
  end
end
-- First, since it may be refused (a user may lack the channel): then nothing is written.
if ARGV[5] ~= '' then
  redis.call('PUBLISH', ARGV[5], ARGV[6])
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
