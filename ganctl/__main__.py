from ganctl.start import main

main()
