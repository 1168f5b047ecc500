package main

import "github.com/ml-connector/ml-connector/connector/wire"

func main() { wire.Serve(New()) }
