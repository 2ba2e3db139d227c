import test from 'ava'
import { renderPrometheus } from '../../observability/prometheus.ts'

test('families have help and type, samples their labels, and quotes are escaped', t => {
  const text = renderPrometheus([
    {
      name: 'sluice_sessions',
      help: 'Sessions.',
      type: 'gauge',
      samples: [
        { labels: { thread: 0 }, value: 3 },
        { labels: { thread: 1, name: 'a "b"\\\n' }, value: 0.5 },
      ],
    },
    { name: 'sluice_none', help: 'Nothing.', type: 'counter', samples: [] },
    { name: 'sluice_all', help: 'All.', type: 'counter', samples: [{ labels: {}, value: 7 }] },
  ])
  t.is(
    text,
    [
      '# HELP sluice_sessions Sessions.',
      '# TYPE sluice_sessions gauge',
      'sluice_sessions{thread="0"} 3',
      'sluice_sessions{thread="1",name="a \\"b\\"\\\\\\n"} 0.5',
      '# HELP sluice_all All.',
      '# TYPE sluice_all counter',
      'sluice_all 7',
      '',
    ].join('\n'),
  )
})
