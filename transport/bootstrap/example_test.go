package bootstrap_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/monel-dev/monel/transport/bootstrap"
)

// Two ranks, here two goroutines, meet at a root, exchange a message through the
// coordinator and a line over a link of their own, and leave.
func ExampleConnect() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	root, err := bootstrap.NewRoot(ctx, bootstrap.RootConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer root.Close()
	id := root.ID() // pass id.Text() to the other processes

	said := make(chan string, 1)
	rank := func(r int) error {
		session, control, err := bootstrap.Connect(ctx, bootstrap.Config{Rank: r, Size: 2, ID: id})
		if err != nil {
			return err
		}
		defer session.Close()
		defer control.Close()
		control.Handle(func(from int, payload []byte) { said <- fmt.Sprintf("rank %d says %s", from, payload) })
		if r == 1 {
			if err := control.Send(0, []byte("hello")); err != nil {
				return err
			}
			link, err := session.Dial(ctx, 0, 0)
			if err != nil {
				return err
			}
			defer link.Close()
			fmt.Fprintln(link, "over the link")
		} else {
			link, err := session.Accept(ctx, 1, 0)
			if err != nil {
				return err
			}
			defer link.Close()
			var line string
			fmt.Fscanln(link, &line)
			fmt.Println(<-said)
		}
		return control.Leave(ctx)
	}
	var wg sync.WaitGroup
	for r := range 2 {
		wg.Go(func() {
			if err := rank(r); err != nil {
				fmt.Println(r, err)
			}
		})
	}
	wg.Wait()
	// Output: rank 1 says hello
}
