//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package db

import (
	"errors"
	"os"
)

// lockFile refuses: two processes on one database could post the same payment,
// so there is no running without a lock.
func lockFile(*os.File) (taken bool, err error) {
	return false, errors.New("file locks are not implemented for this operating system")
}
