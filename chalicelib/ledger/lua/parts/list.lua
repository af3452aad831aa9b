-- Return the parts of an open job as JSON, in film order; '' if it has none.
--
-- ARGV  1 jobId   2 id
local plan = load_plan(ARGV[1])
if not plan or plan.id ~= ARGV[2] then return {''} end
local parts = {}
for n = 0, plan.count - 1 do
  local part = load_part(ARGV[1], n)
  if part then
    local holder = part.holders[#part.holders]
    table.insert(parts, {n = n, state = part.state, runs = part.runs, weight = part.weight, error = part.error,
      worker = part.worker or (holder and holder.worker), since = part.since or (holder and holder.since), took_ms = part.took_ms, bytes = part.result_bytes, errors = part.errors, cpu_ms = part.cpu_ms})
  end
end
return {cjson.encode({count = plan.count, done = plan.done, error = plan.error, parts = parts})}
