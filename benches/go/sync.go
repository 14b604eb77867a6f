package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

func pingPong(c cx, pairs int) (figures, error) {
	trips := c.size / (2 * pairs)
	var total atomic.Int64
	left := newCountdown(pairs)
	m := startMeter()
	for range pairs {
		toPong, toPing := make(chan int, 1), make(chan int, 1)
		go func() {
			for value := range toPong {
				toPing <- value + 1
			}
		}()
		go func() {
			value := 0
			for range trips {
				toPong <- value
				value = <-toPing
			}
			close(toPong)
			total.Add(int64(value))
			left.hit()
		}()
	}
	<-left.done
	result := m.stop()
	return result.perOp(pairs * trips * 2), check("sum of the last replies", int(total.Load()), pairs*trips)
}

func oneshotPingPong(c cx) (figures, error) {
	tasks := min(c.size, 1_000)
	batches := c.size / tasks
	var sum atomic.Int64
	m := startMeter()
	for range batches {
		left := newCountdown(tasks)
		for range tasks {
			go func() {
				toPartner, toUs := make(chan int, 1), make(chan int, 1)
				go func() { toUs <- <-toPartner + 1 }()
				toPartner <- 1
				if <-toUs != 2 {
					panic("the partner adds one")
				}
				left.hit()
			}()
		}
		<-left.done
		sum.Add(int64(tasks))
	}
	result := m.stop()
	return result.perOp(batches * tasks), check("pairs", int(sum.Load()), batches*tasks)
}

// produceAndConsume moves messages from as many producers to as many consumers over one channel.
func produceAndConsume(c cx, each, capacity int) (figures, error) {
	share := c.size / each
	m := startMeter()
	messages := make(chan int, capacity)
	sums := make(chan int, each)
	for range each {
		go func() {
			sum := 0
			for value := range messages {
				sum += value
			}
			sums <- sum
		}()
	}
	var producers sync.WaitGroup
	producers.Add(each)
	for range each {
		go func() {
			produce(messages, share)
			producers.Done()
		}()
	}
	producers.Wait()
	close(messages)
	sum := 0
	for range each {
		sum += <-sums
	}
	result := m.stop()
	return result.perOp(share * each), check("sum of the messages", sum, each*triangle(share))
}

func produce(to chan<- int, count int) {
	for value := range count {
		to <- value
	}
}

func triangle(count int) int { return count * (count - 1) / 2 }

func mutex(c cx, hold bool) (figures, error) {
	const tasks = 64
	each := c.size / tasks
	left := newCountdown(tasks)
	var lock sync.Mutex
	number := 0
	m := startMeter()
	for range tasks {
		go func() {
			for range each {
				lock.Lock()
				number++
				if hold {
					runtime.Gosched()
				}
				lock.Unlock()
			}
			left.hit()
		}()
	}
	<-left.done
	result := m.stop()
	return result.perOp(each * tasks), check("number under the lock", number, each*tasks)
}

func select4(c cx) (figures, error) {
	each := c.size / 4
	m := startMeter()
	var from [4]chan int
	for index := range from {
		from[index] = make(chan int, 16)
		go produce(from[index], each)
	}
	sum := 0
	for range each * 4 {
		select {
		case value := <-from[0]:
			sum += value
		case value := <-from[1]:
			sum += value
		case value := <-from[2]:
			sum += value
		case value := <-from[3]:
			sum += value
		}
	}
	result := m.stop()
	return result.perOp(each * 4), check("sum of the messages", sum, 4*triangle(each))
}
