package main

func Example() {
	main()
	// Output: both ranks hold the sum and rank 0's noise, in their own layouts
}
