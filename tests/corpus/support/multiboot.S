/* What makes a program of the corpus an image that QEMU's -kernel takes too. */
        .section .multiboot, "a"
        .long   0x1badb002, 0, -0x1badb002
