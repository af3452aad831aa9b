-- Look the terms up, for a process that may hold a copy.
--
-- ARGV  1 generation of the caller's copy, or ''   2 a random id, in case there is no generation yet
-- Returns {fresh, generation}         the copy is good
--         {terms, generation, terms}
--         {miss, generation}          read them in Directus, then taxonomy_store
redis.call('HSETNX', key('taxonomy'), 'generation', ARGV[2])
local generation = redis.call('HGET', key('taxonomy'), 'generation')
local terms = redis.call('GET', key('taxonomy', generation))
if not terms then
  redis.call('HINCRBY', key('taxonomy'), 'misses', 1)
  return {'miss', generation}
end
redis.call('HINCRBY', key('taxonomy'), 'hits', 1)
if ARGV[1] == generation then return {'fresh', generation} end
return {'terms', generation, terms}
