package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

func spawnJoin(c cx) (figures, error) {
	batch := min(c.size, 10_000)
	batches := c.size / batch
	handles := make([]chan int, batch)
	sum := 0
	m := startMeter()
	for range batches {
		for index := range handles {
			handle := make(chan int, 1)
			handles[index] = handle
			go func() { handle <- index }()
		}
		for _, handle := range handles {
			sum += <-handle
		}
	}
	result := m.stop()
	err := check("sum of the indices", sum, batches*(batch*(batch-1)/2))
	return result.perOp(batches * batch), err
}

// countdown signals when as many hits as announced have come.
type countdown struct {
	left atomic.Int64
	done chan struct{}
}

func newCountdown(count int) *countdown {
	c := &countdown{done: make(chan struct{}, 1)}
	c.left.Store(int64(count))
	return c
}

func (c *countdown) hit() {
	if c.left.Add(-1) == 0 {
		c.done <- struct{}{}
	}
}

func spawnDetach(c cx) (figures, error) {
	left := newCountdown(c.size)
	m := startMeter()
	for range c.size {
		go left.hit()
	}
	<-left.done
	return m.stop().perOp(c.size), nil
}

func chainedSpawn(c cx) (figures, error) {
	end := newCountdown(1)
	m := startMeter()
	go link(c.size-1, end)
	<-end.done
	return m.stop().perOp(c.size), nil
}

func link(left int, end *countdown) {
	if left == 0 {
		end.hit()
		return
	}
	go link(left-1, end)
}

func yields(c cx, tasks int) (figures, error) {
	each := c.size / tasks
	left := newCountdown(tasks)
	m := startMeter()
	for range tasks {
		go func() {
			for range each {
				runtime.Gosched()
			}
			left.hit()
		}()
	}
	<-left.done
	return m.stop().perOp(each * tasks), nil
}

const fanOut = 10

func skynet(c cx) (figures, error) {
	m := startMeter()
	root := make(chan int, 1)
	go node(0, c.size, root)
	sum := <-root
	result := m.stop()
	return result.perOp(c.size), check("sum of the leaves", sum, c.size*(c.size-1)/2)
}

func node(first, size int, parent chan<- int) {
	if size == 1 {
		parent <- first
		return
	}
	children := make(chan int, fanOut)
	share := size / fanOut
	for child := range fanOut {
		go node(first+child*share, share, children)
	}
	sum := 0
	for range fanOut {
		sum += <-children
	}
	parent <- sum
}

func fib(c cx) (figures, error) {
	m := startMeter()
	result := branch(c.size)
	took := m.stop()
	return took.perOp(fibonacci(c.size+1) - 1), check("fib", result, fibonacci(c.size))
}

func branch(n int) int {
	if n < 2 {
		return n
	}
	spawned := make(chan int, 1)
	go func() { spawned <- branch(n - 1) }()
	here := branch(n - 2)
	return here + <-spawned
}

func fibonacci(n int) int {
	a, b := 0, 1
	for range n {
		a, b = b, a+b
	}
	return a
}

func timeoutCancel(c cx) (figures, error) {
	each := c.size / c.procs
	done := make(chan int)
	m := startMeter()
	for range c.procs {
		go func() {
			inTime := 0
			for range each {
				timer := time.NewTimer(10 * time.Second)
				runtime.Gosched()
				select {
				case <-timer.C:
				default:
					inTime++
				}
				timer.Stop()
			}
			done <- inTime
		}()
	}
	inTime := 0
	for range c.procs {
		inTime += <-done
	}
	result := m.stop()
	return result.perOp(inTime), check("work that ended in time", inTime, each*c.procs)
}
