import { afterAll, beforeAll, expect, it } from 'vitest'
import { compile, FilterError } from '../../../core/filter/index.ts'
import { type KnownOperand, knownValue } from '../../../core/filter/known.ts'
import { openStaff, type StaffDatabase } from './staff.ts'
import { context, people, ruleScope, tasks } from './world.ts'

function value(call: string) {
  const resolved = compile(`${call} = ""`, ruleScope)
  if (resolved.kind !== 'compare') throw new Error('not a comparison')
  return knownValue(resolved.left as KnownOperand, context())
}

const AT = '"2024-03-05 07:08:09.123"'

it.each([
  [`strftime("%d|%e|%f|%F|%H|%I", ${AT})`, '05| 5|09.123|2024-03-05|07|07'],
  [`strftime("%j|%J|%k|%l|%m|%M", ${AT})`, '065|2460374.797327812| 7| 7|03|08'],
  [`strftime("%p|%P|%R|%s|%S|%T", ${AT})`, 'AM|am|07:08|1709622489|09|07:08:09'],
  [`strftime("%u|%U|%w|%W|%G|%g|%V|%Y|%%", ${AT})`, '2|09|2|10|2024|24|10|2024|%'],
  ['strftime("%I %l %p %P", "2024-03-05 13:00")', '01  1 PM pm'],
  ['strftime("%I", "2024-03-05 00:10")', '12'],
  ['strftime("%G-%V %u %U %W", "2021-01-03")', '2020-53 7 01 00'],
  ['strftime("%s", "1960-01-01")', '-315619200'],
  ['strftime("%F %T")', '2024-06-15 12:34:56'],
  ['strftime("%F %T", @now)', '2024-06-15 12:34:56'],
  ['strftime("%F %T", "now")', '2024-06-15 12:34:56'],
  ['strftime("%F %T", 2460000.5)', '2023-02-25 00:00:00'],
  ['strftime("%F %T", "2460000.5")', '2023-02-25 00:00:00'],
  ['strftime("%F %T", 1700000000, "unixepoch")', '2023-11-14 22:13:20'],
  ['strftime("%F %T", 1700000000, "auto")', '2023-11-14 22:13:20'],
  ['strftime("%F %T", 1700000000)', null],
  ['strftime("%F %T", "2024-01-01T12:00z")', '2024-01-01 12:00:00'],
  ['strftime("%F %T", "2024-01-01 12:00:00+02:30")', '2024-01-01 09:30:00'],
  ['strftime("%F %T", "12:30")', '2000-01-01 12:30:00'],
  ['strftime("%F %T", "2024-02-31")', '2024-03-02 00:00:00'],
  ['strftime("%F %T", "2024-13-01")', null],
  ['strftime("%F %T", "x")', null],
  ['strftime("%F %T", "")', null],
  ['strftime("%F %T", null)', null],
  ['strftime("plain", "2024-01-01")', 'plain'],
  ['strftime("%F", "2024-01-31", "+1 month")', '2024-03-02'],
  ['strftime("%F", "2024-02-29", "+1 year")', '2025-03-01'],
  ['strftime("%F", "2024-06-15", "start of month", "+1 month", "-1 day")', '2024-06-30'],
  ['strftime("%F", "2024-06-15", "start of year", "weekday 1")', '2024-01-01'],
  ['strftime("%F", "2024-06-15", "weekday 0")', '2024-06-16'],
  ['strftime("%F", "2024-06-15", "weekday 6")', '2024-06-15'],
  ['strftime("%F %T", "2024-06-15", "+1.5 days", "-90 minutes", "+01:00:30")', '2024-06-16 11:30:30'],
  ['strftime("%F", "2024-06-15", "utc", "localtime")', '2024-06-15'],
  ['strftime("%F", "9999-12-31", "+1 day")', null],
])('%s is %j', (call, expected) => expect(value(call)).toBe(expected))

let staff: StaffDatabase
beforeAll(async () => {
  staff = await openStaff()
})
afterAll(() => staff?.close())

// t1 is due on 2024-06-15 12:34:56.789Z, t4 on 1999-12-31 23:59:59.999Z, the others never.
it.each([
  [tasks, 'strftime("%Y", due) = "2024"', 't1'],
  [tasks, 'strftime("%Y", due) = ""', 't2 t3 t5 t6'],
  [tasks, 'strftime("%Y", due) = null', 't2 t3 t5 t6'],
  [tasks, 'strftime("%Y", due) != "2024"', 't2 t3 t4 t5 t6'],
  [tasks, 'strftime("%Y-%m", due) ~ "06"', 't1'],
  [tasks, 'strftime("%Y", due) !~ "20"', 't4'],
  [tasks, 'strftime("%Y", due) > "2000"', 't1'],
  [tasks, 'strftime("%Y", due) = strftime("%Y", created)', 't2 t3 t5 t6'],
  [tasks, 'strftime("%F", due, "+1 month", "start of month") = "2024-07-01"', 't1'],
  [tasks, 'strftime("%F", due, "+9000 years") = ""', 't1 t2 t3 t4 t5 t6'],
  [tasks, 'strftime("%Y", parent.due) = "2024"', 't3 t4'],
  [people, 'strftime("%Y", tasks_via_owner.due) ?= "2024"', 'ann'],
  [people, 'strftime("%Y", tasks_via_owner.due) = "2024"', ''],
  [people, 'strftime("%Y", tasks_via_owner.due) ?= ""', 'ann bob cat dan'],
  [people, 'strftime("%Y", tasks_via_owner.due) = ""', 'cat dan'],
  [people, 'strftime("%Y", tasks_via_owner.due) > "2000"', 'ann'],
])('$0.name: %s finds %j', async (shape, filter, ids) => expect(await staff.find(shape, filter)).toBe(ids))

it.each([
  ['strftime()', 'format'],
  ['strftime(5, due)', 'quotes'],
  ['strftime(title, due)', 'quotes'],
  ['strftime("%Y", due, 5)', 'quotes'],
  ['strftime("%Y", due, @now)', 'quotes'],
  ['strftime("%Q", due)', '%Q'],
  ['strftime("50%", due)', '%'],
  ['strftime("%Y", due, "next week")', 'next week'],
  ['strftime("%Y", due, "weekday 7")', 'weekday 7'],
  ['strftime("%Y", due, "+99999 years")', '+99999 years'],
  ['strftime("%Y", due, "unixepoch")', 'unixepoch'],
  ['strftime("%Y", 5, "+1 day", "unixepoch")', 'unixepoch'],
  ['strftime("%J", due)', '%J'],
  ['strftime("%Y", title)', 'title'],
  ['strftime("%Y", data.k)', 'data'],
  ['strftime("%Y", strftime("%F", due))', 'no function'],
  ['strftime("%Y", nope)', 'nope'],
  [`strftime("%Y", due${', "+1 day"'.repeat(9)})`, '10 arguments'],
  ['STRFTIME("%Y", due)', 'STRFTIME'],
  ['geoDistance(1, 2, 3, 4)', 'geoDistance'],
])('%s is refused for %j', (call, culprit) => {
  expect(() => compile(`${call} = ""`, ruleScope)).toThrow(FilterError)
  expect(() => compile(`${call} = ""`, ruleScope)).toThrow(
    expect.objectContaining({ detail: expect.stringContaining(culprit) }),
  )
})
