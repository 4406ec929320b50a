#!lua flags=allow-oom
-- Removes a session.
-- KEYS: session
-- ARGV: now, channel or '', announcement
-- Answers 1 if it was there, alive, else 0; if it had a subject that number, the subject, and the
-- server's time in ms.

-- First, since it may be refused (a user may lack the channel): then nothing is written.
if ARGV[2] ~= '' then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
-- Whatever lies there goes: what is no session is none after this, either.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 292)
local removed = redis.call('DEL', KEYS[1])
if type(head) == 'string' and #head > 37 then
  local idle, absolute = struct.unpack('>i8i8', head, 13)
  if tonumber(ARGV[1]) >= math.min(idle, absolute) then
    removed = 0
  end
  local length = string.byte(head, 38)
  if length > 0 then
    local time = redis.call('TIME')
    return {removed, string.sub(head, 39, 38 + length), time[1] * 1000 + math.floor(time[2] / 1000)}
  end
end
return removed
