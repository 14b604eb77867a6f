package main

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// mutators lets each of c.procs goroutines prepare, waits for all, and measures what they do then.
func mutators[S, T any](c cx, prepare func(number int) S, work func(S) T) (measured, []T) {
	var prepared, finished sync.WaitGroup
	begin := make(chan struct{})
	results := make([]T, c.procs)
	for number := range c.procs {
		prepared.Add(1)
		finished.Add(1)
		go func() {
			state := prepare(number)
			prepared.Done()
			<-begin
			results[number] = work(state)
			finished.Done()
		}()
	}
	prepared.Wait()
	m := startMeter()
	close(begin)
	finished.Wait()
	return m.stop(), results
}

// parts is how many buckets each doubling of a histogram is divided into.
const parts = 32

// histogram counts values by size, exact to three per cent.
type histogram struct {
	counts   [64 * parts]uint64
	len, max uint64
}

func bucket(value uint64) uint64 {
	doublings := uint64(bits.Len64(max(value/parts, 1)) - 1)
	return doublings*parts + value>>doublings
}

func (h *histogram) add(value uint64) {
	h.counts[bucket(value)]++
	h.len++
	h.max = max(h.max, value)
}

func (h *histogram) merge(other *histogram) {
	for at, count := range other.counts {
		h.counts[at] += count
	}
	h.len += other.len
	h.max = max(h.max, other.max)
}

func (h *histogram) above(value uint64) (above uint64) {
	for _, count := range h.counts[bucket(value)+1:] {
		above += count
	}
	return above
}

func (h *histogram) percentile(percent float64) uint64 {
	rank := uint64(math.Ceil(float64(h.len) * percent / 100))
	seen := uint64(0)
	for at, count := range h.counts {
		seen += count
		if seen >= rank {
			doublings := max(at/parts, 1) - 1
			return min((uint64(at-doublings*parts)+1)<<doublings-1, h.max)
		}
	}
	return h.max
}

// timed times operation over and over: the end of one is the beginning of the next.
func timed(operations int, operation func(number int)) *histogram {
	times := &histogram{}
	last := time.Now()
	for number := range operations {
		operation(number)
		now := time.Now()
		times.add(uint64(now.Sub(last)))
		last = now
	}
	return times
}

func (m measured) withTimes(times []*histogram) figures {
	all := &histogram{}
	for _, each := range times {
		all.merge(each)
	}
	us := func(ns uint64) float64 { return float64(ns) / 1e3 }
	return m.perOp(int(all.len)).
		with("p99.9_us", us(all.percentile(99.9))).
		with("p99.99_us", us(all.percentile(99.99))).
		with("worst_us", us(all.percentile(100))).
		with("over_100_us", float64(all.above(100_000)))
}

// random is Marsaglia's xorshift.
type random uint64

func newRandom(seed int) *random {
	r := random(uint64(seed+1) * 0x9E37_79B9_7F4A_7C15)
	return &r
}

func (r *random) below(n int) int {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return int(uint64(*r) >> 11 % uint64(n))
}

type tree struct{ left, right *tree }

func build(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{build(depth - 1), build(depth - 1)}
}

func (t *tree) count() int {
	if t.left == nil {
		return 1
	}
	return 1 + t.left.count() + t.right.count()
}

func nodes(depth int) int { return 2<<depth - 1 }

func gcBintrees(c cx) (figures, error) {
	longLived := build(c.size)
	type part struct{ depth, trees int }
	expected := 0
	work := make(chan part, 8*c.size)
	for depth := 4; depth <= c.size; depth += 4 {
		for range 8 {
			trees := 1 << (c.size - depth + 1)
			work <- part{depth, trees}
			expected += trees * nodes(depth)
		}
	}
	close(work)
	result, counts := mutators(c, func(int) struct{} { return struct{}{} }, func(struct{}) (count int) {
		for part := range work {
			for range part.trees {
				count += build(part.depth).count()
			}
		}
		return count
	})
	total := 0
	for _, count := range counts {
		total += count
	}
	if err := check("nodes", total, expected); err != nil {
		return nil, err
	}
	return result.perOp(expected), check("nodes that live long", longLived.count(), nodes(c.size))
}

type linked struct {
	contents [3]int
	next     *linked
}

func newLinked(number int) *linked { return &linked{contents: [3]int{number, number, number}} }

func gcFifo(c cx) (figures, error) {
	live, each := c.upTo(1_000_000), c.size/c.procs
	type ends struct{ first, last *linked }
	push := func(e *ends, number int) {
		n := newLinked(number)
		e.last.next = n
		e.last = n
	}
	prepare := func(int) *ends {
		first := newLinked(0)
		e := &ends{first, first}
		for number := range live {
			push(e, number+1)
		}
		return e
	}
	type outcome struct {
		sum   int
		times *histogram
	}
	result, outcomes := mutators(c, prepare, func(e *ends) outcome {
		sum := 0
		times := timed(each, func(number int) {
			push(e, live+1+number)
			e.first = e.first.next
			sum += e.first.contents[2]
		})
		return outcome{sum, times}
	})
	var times []*histogram
	for _, outcome := range outcomes {
		if err := check("sum of what was popped", outcome.sum, each*(each+1)/2); err != nil {
			return nil, err
		}
		times = append(times, outcome.times)
	}
	return result.withTimes(times), nil
}

type parent struct {
	contents [3]int
	leaf     *[4]int
}

func newParent(number int) *parent {
	leaf := &[4]int{number, number, number, number}
	return &parent{[3]int{number, number, number}, leaf}
}

func gcSlots(c cx) (figures, error) {
	live, each := c.upTo(500_000), c.size/c.procs
	type state struct {
		table  []*parent
		random *random
	}
	prepare := func(mutator int) state {
		table := make([]*parent, live)
		for slot := range table {
			table[slot] = newParent(slot)
		}
		return state{table, newRandom(mutator)}
	}
	type outcome struct {
		sum   int
		times *histogram
	}
	result, outcomes := mutators(c, prepare, func(s state) outcome {
		sum := 0
		times := timed(each, func(number int) {
			slot := s.random.below(live)
			before := s.table[slot]
			s.table[slot] = newParent(number)
			sum += before.leaf[3] - number
		})
		for _, parent := range s.table {
			sum += parent.contents[2]
		}
		return outcome{sum, times}
	})
	var times []*histogram
	for _, outcome := range outcomes {
		if err := check("sum of what was there at first", outcome.sum, live*(live-1)/2); err != nil {
			return nil, err
		}
		times = append(times, outcome.times)
	}
	return result.withTimes(times), nil
}

func gcTable(c cx) (figures, error) {
	const slots = 65_536
	each := c.size / c.procs
	table := make([]atomic.Pointer[[4]int], slots)
	for slot := range table {
		table[slot].Store(&[4]int{slot, slot, slot, slot})
	}
	result, outcomes := mutators(c, newRandom, func(r *random) (whole int) {
		for number := range each {
			slot := r.below(slots)
			if number%10 == 9 {
				table[slot].Store(&[4]int{number, number, number, number})
				whole++
			} else if value := table[slot].Load(); value[0] == value[3] {
				whole++
			}
		}
		return whole
	})
	total := 0
	for _, whole := range outcomes {
		total += whole
	}
	operations := each * c.procs
	return result.perOp(operations), check("operations on values that are whole", total, operations)
}

type element struct {
	number int
	below  *element
}

func gcStack(c cx) (figures, error) {
	pairs := c.size / 2 / c.procs
	var top atomic.Pointer[element]
	push := func(number int) {
		for e := (&element{number: number}); ; {
			e.below = top.Load()
			if top.CompareAndSwap(e.below, e) {
				return
			}
		}
	}
	pop := func() int {
		for {
			e := top.Load()
			if top.CompareAndSwap(e, e.below) {
				return e.number
			}
		}
	}
	result, sums := mutators(c, func(int) struct{} { return struct{}{} }, func(struct{}) (sum int) {
		for number := range pairs {
			push(number)
			sum += pop()
		}
		return sum
	})
	total := 0
	for _, sum := range sums {
		total += sum
	}
	err := check("sum of what was popped", total, c.procs*(pairs*(pairs-1)/2))
	return result.perOp(2 * pairs * c.procs), err
}

func gcCycles(c cx) (figures, error) {
	const ring = 10
	rings := c.size / ring / c.procs
	result, sums := mutators(c, func(int) struct{} { return struct{}{} }, func(struct{}) (sum int) {
		for range rings {
			last := &element{}
			first := last
			for number := 1; number < ring; number++ {
				first = &element{number, first}
			}
			last.below = first
			for e := first; e != last; e = e.below {
				sum += e.number
			}
		}
		return sum
	})
	total := 0
	for _, sum := range sums {
		total += sum
	}
	rings *= c.procs
	return result.perOp(rings * ring), check("sum of the numbers", total, rings*(ring*(ring-1)/2))
}

type message [1024]byte

func gcLatency(c cx) (figures, error) {
	live := c.upTo(200_000)
	slots := make([]*message, live)
	one := c
	one.procs = 1
	prepare := func(int) struct{} { return struct{}{} }
	result, times := mutators(one, prepare, func(struct{}) *histogram {
		return timed(c.size, func(number int) {
			m := &message{}
			for at := range m {
				m[at] = byte(number)
			}
			slots[number%live] = m
		})
	})
	sum, expected := 0, 0
	for _, m := range slots {
		if m != nil {
			sum += int(m[len(m)-1])
		}
	}
	for number := max(c.size-live, 0); number < c.size; number++ {
		expected += number & 255
	}
	return result.withTimes(times), check("sum of the messages", sum, expected)
}
