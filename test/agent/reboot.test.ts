import { expect, test } from 'vitest'
import { FakeInit } from '../support/fake-init.ts'
import { StandIn } from '../support/stand-in-server.ts'

test('a reboot: acknowledged, then executed, and proved by another boot', async () => {
  await using server = await StandIn.start()
  await using host = new FakeInit(server.url)
  const agent = host.start()
  await agent.says(/Subscribed/)
  const before = host.bootId
  const row = server.reboots.order()
  await host.booted(1)
  await server.until('the end of the reboot', () => server.reboots.isOver(row))
  expect(row).toMatchObject({ status: 'completed', boot_id_before: before })
  expect(host.orders).toEqual(['systemctl reboot'])
  expect(host.bootId).not.toBe(before)
  const [acknowledged] = server.requests('POST', `/api/reboot/${row.id}/acknowledge`)
  expect(acknowledged?.body).toEqual({ boot_id: before })
})
