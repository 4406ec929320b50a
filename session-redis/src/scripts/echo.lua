#!lua flags=allow-oom
-- Writes a node's heartbeat, sends it its echo, and reads the epoch of the namespace.
-- KEYS: heartbeats, epoch
-- ARGV: node, number, number handled, ms for which a heartbeat is kept, channel of the echo, an epoch in
--       case there is none, '1' in a Cluster
-- Answers the epoch and the order of this echo; in a Cluster also what this server says about itself in
-- CLUSTER NODES.
local known = redis.call('HMGET', KEYS[1], ARGV[1], 'order', 'swept')
local order = (known[2] or 0) + 1
local sent, handled = tonumber(ARGV[2]), tonumber(ARGV[3])
if known[1] then
  -- An echo that comes late tells less than the one that has overtaken it.
  local latest_sent, latest_handled = string.match(known[1], '^(%d+):(%d+):')
  sent = math.max(sent, tonumber(latest_sent))
  handled = math.max(handled, tonumber(latest_handled))
end
redis.call('HSET', KEYS[1], 'order', string.format('%.0f', order),
  ARGV[1], string.format('%.0f:%.0f:%.0f', sent, handled, order))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
-- Now and then, those that have sent none since the last time are forgotten.
local swept, at = string.match(known[3] or '0:0', '^(%d+):(%d+)$')
local now = redis.call('TIME')[1]
if (now - at) * 1000 >= tonumber(ARGV[4]) then
  local all = redis.call('HGETALL', KEYS[1])
  for index = 1, #all, 2 do
    local latest = string.match(all[index + 1], '^%d+:%d+:(%d+)$')
    if latest and tonumber(latest) <= tonumber(swept) then
      redis.call('HDEL', KEYS[1], all[index])
    end
  end
  redis.call('HSET', KEYS[1], 'swept', string.format('%.0f:%s', order, now))
end
local epoch = redis.call('GET', KEYS[2])
-- Who had a heartbeat is not known where heartbeats were lost. Nodes notice by the epoch.
if not epoch or not known[2] then
  epoch = ARGV[6]
  redis.call('SET', KEYS[2], epoch)
end
redis.call('PUBLISH', ARGV[5], ARGV[2])
if ARGV[7] ~= '1' then
  return {epoch, order}
end
for line in string.gmatch(redis.call('CLUSTER', 'NODES'), '[^\n]+') do
  if string.find(line, 'myself', 1, true) then
    return {epoch, order, line}
  end
end
return {epoch, order, ''}
