package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const messageLength = 64

// server is an echo server that runs as long as the process.
type server struct {
	address  string
	accepted atomic.Int64
	all      *countdown
}

// serve starts an echo server that expects count connections.
func serve(count int) (*server, error) {
	if err := needDescriptors(2*count + 64); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: listener.Addr().String(), all: newCountdown(count)}
	go func() {
		for range count {
			connection, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			s.accepted.Add(1)
			go answer(connection)
			s.all.hit()
		}
	}()
	return s, nil
}

// needDescriptors raises the limit of open descriptors as far as it goes.
func needDescriptors(count int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	// A refusal shows when the sockets are opened.
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	if uint64(limit.Cur) < uint64(count) {
		return skip(fmt.Sprintf("%d descriptors are needed, but the limit is %d (ulimit -Hn)", count, limit.Cur))
	}
	return nil
}

// answer sends back what it reads, until the client closes.
func answer(connection net.Conn) {
	var buffer [messageLength]byte
	for {
		length, err := connection.Read(buffer[:])
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:length]); err != nil {
			return
		}
	}
}

func connect(address string, count int) ([]net.Conn, error) {
	connections := make([]net.Conn, 0, count)
	for range count {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			return nil, err
		}
		connections = append(connections, connection)
	}
	return connections, nil
}

func echo(c cx, idle int) (figures, error) {
	clients, idle := c.upTo(100), c.upTo(idle)
	server, err := serve(clients + idle)
	if err != nil {
		return nil, err
	}
	silent, err := connect(server.address, idle)
	if err != nil {
		return nil, err
	}
	talking, err := connect(server.address, clients)
	if err != nil {
		return nil, err
	}
	<-server.all.done
	trips := c.size / clients
	done := make(chan []uint32)
	m := startMeter()
	for _, connection := range talking {
		go func() { done <- converse(connection, trips) }()
	}
	var latencies []uint32
	for range talking {
		latencies = append(latencies, <-done...)
	}
	result := m.stop()
	if err := check("accepted connections", int(server.accepted.Load()), len(silent)+clients); err != nil {
		return nil, err
	}
	f := result.perOp(trips*clients).
		with("ops_per_s", float64(len(latencies))/result.wall.Seconds()).
		with("p50_us", percentile(latencies, 50)).
		with("p99_us", percentile(latencies, 99))
	return f, check("round trips", len(latencies), trips*clients)
}

// converse makes round trips and returns how long each took; after a wrong echo it stops.
func converse(connection net.Conn, trips int) []uint32 {
	latencies := make([]uint32, 0, trips)
	var message, reply [messageLength]byte
	for trip := range trips {
		for index := range message {
			message[index] = byte(trip)
		}
		start := time.Now()
		if _, err := connection.Write(message[:]); err != nil {
			break
		}
		if _, err := io.ReadFull(connection, reply[:]); err != nil || reply != message {
			break
		}
		latencies = append(latencies, nanoseconds(time.Since(start)))
	}
	return latencies
}

var helloBody = []byte("Hello, World!")

// hello serves HTTP to the load generator of gort-bench and reports what that one saw.
func hello(c cx) (figures, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(len(helloBody)))
		w.Write(helloBody)
	})
	go http.Serve(listener, handler)
	m := startMeter()
	load := exec.Command(os.Getenv("GORT_BENCH_PROGRAM"), "--load", listener.Addr().String(), strconv.Itoa(c.size))
	load.Stderr = os.Stderr
	line, err := load.Output()
	result := m.stop()
	if err != nil {
		return nil, fmt.Errorf("the load generator failed: %w", err)
	}
	var requests int
	var perSecond, p50, p99 float64
	if _, err := fmt.Sscan(string(line), &requests, &perSecond, &p50, &p99); err != nil {
		return nil, fmt.Errorf("the load generator printed %q", line)
	}
	return result.common(requests).
		with("ns_per_op", 1e9/perSecond).
		with("ops_per_s", perSecond).
		with("cpu_ns_per_op", float64(result.cpu.Nanoseconds())/float64(requests)).
		with("p50_us", p50).
		with("p99_us", p99), nil
}
