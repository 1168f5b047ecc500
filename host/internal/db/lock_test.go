package db

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const holdEnv = "ML_CONNECTOR_TEST_HOLD_DIR"

// TestMain lets a test start this binary again as a second process that opens
// a data directory, says so, and holds it until it is killed.
func TestMain(m *testing.M) {
	dir := os.Getenv(holdEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := Open(context.Background(), Config{Dir: dir}); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("open")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// holdElsewhere opens dir in another process and returns that process's id and
// a function that kills it.
func holdElsewhere(t *testing.T, dir string) (pid int, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = stdin.Close()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "open\n" {
		t.Fatalf("other process said %q, %v", line, err)
	}
	return cmd.Process.Pid, kill
}

func TestSecondProcessIsRefusedAndTheLockDiesWithItsHolder(t *testing.T) {
	dir := t.TempDir()
	pid, kill := holdElsewhere(t, dir)

	_, err := Open(t.Context(), Config{Dir: dir})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d;", pid)) {
		t.Fatalf("got %v, want ErrInUse naming process %d", err, pid)
	}

	// A command may still read and write small things.
	shared := open(t, Config{Dir: dir, Shared: true})
	if shared.Exclusive() {
		t.Error("a shared database says that it is exclusive")
	}
	if err := shared.Update(t.Context(), func(tx *Tx) error { return setParam(t.Context(), tx, "a", "1", time.Now()) }); err != nil {
		t.Errorf("update beside the service: %v", err)
	}

	kill()
	d := open(t, Config{Dir: dir})
	if !d.Exclusive() {
		t.Error("not exclusive after the holder died")
	}
	if got := countParams(t, d); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

func TestCloseGivesTheDirectoryFree(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		d, err := Open(t.Context(), Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
