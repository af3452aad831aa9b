-- Look the terms up, for a process that may hold a copy.
--
-- ARGV  1 generation of the caller's copy, or ''   2 a random id, in case there is no generation yet
-- Returns {fresh, generation}         the copy is good
--         {terms, generation, terms}
--         {miss, generation}          read them in Directus, then taxonomy/store
call('HSETNX', P .. 'taxonomy', 'generation', ARGV[2])
local generation = call('HGET', P .. 'taxonomy', 'generation')
local terms = call('GET', P .. 'taxonomy:' .. generation)
if not terms then
  call('HINCRBY', P .. 'taxonomy', 'misses', 1)
  return {'miss', generation}
end
call('HINCRBY', P .. 'taxonomy', 'hits', 1)
if ARGV[1] == generation then return {'fresh', generation} end
return {'terms', generation, terms}
