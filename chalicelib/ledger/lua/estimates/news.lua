-- Return the jobs that completed since the last call that was stored.
--
-- Returns {cursor ('': nothing was stored yet), summaries, newest first}
local cursor = call('HGET', P .. 'estimates', 'cursor')
local answer = {cursor or ''}
for _, line in ipairs(call('LRANGE', P .. 'history:completed', 0, 99)) do
  if cursor and line:sub(1, #cursor) == cursor then break end
  table.insert(answer, line)
end
return answer
