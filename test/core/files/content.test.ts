import { describe, expect, it } from 'vitest'
import { contentKind, HEAD_BYTES } from '../../../core/files/content.ts'

const bytes = (...parts: (string | number)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part, 'latin1'))),
  )
const kind = (content: Buffer | string) =>
  contentKind(Buffer.from(content).subarray(0, HEAD_BYTES), content.length <= HEAD_BYTES)

describe('content', () => {
  it.each([
    [
      'PNG',
      bytes(0x89, 'PNG\r\n', 0x1a, '\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0'),
      'image/png',
      '.png',
    ],
    ['JPEG', bytes(0xff, 0xd8, 0xff, 0xe0, '\0\x10JFIF\0\x01'), 'image/jpeg', '.jpg'],
    ['GIF', bytes('GIF89a\x01\0\x01\0'), 'image/gif', '.gif'],
    ['PDF', bytes('%PDF-1.4\n'), 'application/pdf', '.pdf'],
    ['ZIP', bytes('PK\x03\x04\x14\0\0\0\0\0'), 'application/zip', '.zip'],
    ['gzip', bytes(0x1f, 0x8b, 8, '\0\0\0\0\0\0\x03'), 'application/gzip', '.gz'],
    ['MP4', bytes('\0\0\0\x18ftypmp42\0\0\0\0mp42isom'), 'video/mp4', '.mp4'],
    ['bytes', bytes('\0\x01\x02\x03\x04'), 'application/octet-stream', ''],
    ['text with U+0000', 'hello\0world', 'application/octet-stream', ''],
    ['nothing', '', 'text/plain', '.txt'],
    ['text', 'hello', 'text/plain; charset=utf-8', '.txt'],
    ['text in colours', '\x1b[31mred\x1b[0m\n', 'text/plain; charset=utf-8', '.txt'],
    ['UTF-8 with its mark', '\ufeffhi', 'text/plain; charset=utf-8', '.txt'],
    ['UTF-16', Buffer.from('\ufeffhi', 'utf16le'), 'text/plain; charset=utf-16le', '.txt'],
    ['Latin 1', bytes('caf', 0xe9, ' x'), 'text/plain; charset=iso-8859-1', '.txt'],
    ['a character cut in two', `${'x'.repeat(HEAD_BYTES - 1)}é`, 'text/plain; charset=utf-8', '.txt'],
    ['HTML', '<!DOCTYPE html><p>x', 'text/html; charset=utf-8', '.html'],
    ['HTML after space', '  \n<h1>x', 'text/html; charset=utf-8', '.html'],
    ['a script of a page', '<script>alert(1)</script>', 'text/html; charset=utf-8', '.html'],
    ['a comment', '<!-- x --><html>', 'text/html; charset=utf-8', '.html'],
    ['HTML far behind', `${'x'.repeat(600)}<html>`, 'text/plain; charset=utf-8', '.txt'],
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg"></svg>', 'image/svg+xml', '.svg'],
    ['SVG as XML', '<?xml version="1.0"?><svg xmlns="x"/>', 'image/svg+xml', '.svg'],
    ['XML', '<?xml version="1.0"?><a/>', 'text/xml; charset=utf-8', '.xml'],
    ['JSON', '{"a":1}', 'application/json', '.json'],
    ['a list', '[1,2]', 'application/json', '.json'],
    ['long JSON', `{"a":"${'x'.repeat(6000)}"}`, 'application/json', '.json'],
    ['a log', `[2026-01-01 00:00:00] started\n${'x'.repeat(6000)}`, 'text/plain; charset=utf-8', '.txt'],
    ['a shell script', '#!/bin/sh\necho x\n', 'text/x-shellscript', '.sh'],
    ['one by its name', '#!/usr/bin/env bash\n', 'text/x-shellscript', '.sh'],
    ['Python', '#!/usr/bin/env python3\n', 'text/x-python', '.py'],
    ['PHP', '<?php echo 1;', 'text/x-php', '.php'],
    ['a table', 'a,b\r\n1,"2,3"\r\n', 'text/csv', '.csv'],
    ['a table of tabs', 'a\tb\n1\t2', 'text/tab-separated-values', '.tsv'],
    ['one line with a comma', 'a, b\n', 'text/plain; charset=utf-8', '.txt'],
    ['lines with commas', 'a, b\nc, d, e\nf\n', 'text/plain; charset=utf-8', '.txt'],
    ['JavaScript', 'function x(){}', 'text/plain; charset=utf-8', '.txt'],
  ])('of %s is told by itself', async (_, content, type, extension) => {
    expect(await kind(content)).toEqual({ type, extension })
  })

  it('of any bytes at all is something', async () => {
    const seeds = [
      'PK\x03\x04',
      '\x1f\x8b\x08',
      '%PDF',
      'RIFF',
      'OggS',
      'ID3',
      '\0\0\0\x18ftyp',
      '<svg',
      'II*\0',
      '',
    ]
    for (let at = 0; at < 2000; at++) {
      const seed = seeds[at % seeds.length] as string
      const noise = Buffer.from(Array.from({ length: at % 200 }, (_, i) => (at * 7919 + i * i * 31) % 256))
      expect((await kind(Buffer.concat([bytes(seed), noise]))).type).toMatch(
        /^[a-z]+\/[\w.+-]+(; charset=[\w-]+)?$/,
      )
    }
  })
})
