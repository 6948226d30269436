# A program without a library, of which each instruction and access is known:
# a loop of 1000 rounds, a repeated move of 100 bytes, and two system calls.
# 2 + 12 * 1000 + 3 + 100 + 6 = 12111 instructions, as each repetition counts.
	.globl _start
	.bss
	.align 4096
buffer:
	.skip 8192
	.text
_start:
	mov $1000, %ecx
	lea buffer(%rip), %rdi
round:
	mov (%rdi), %rax          # loads 8 bytes
	mov %eax, 4096(%rdi)      # stores 4
	addb $1, 8(%rdi)          # modifies 1
	movups 16(%rdi), %xmm0    # loads 16
	movups %xmm0, 32(%rdi)    # stores 16
	push %rax                 # stores 8
	pop %rax                  # loads 8
	lock xaddq %rax, 64(%rdi) # modifies 8
	call leaf                 # stores 8
	dec %ecx
	jnz round
	mov $100, %ecx
	lea buffer(%rip), %rdi
	lea buffer+4096(%rip), %rsi
	rep movsb                 # loads and stores a byte each time
	mov $39, %eax             # getpid
	syscall
	mov $60, %eax             # exit
	mov $7, %edi
	syscall
leaf:
	ret                       # loads 8
	.section .note.GNU-stack, "", @progbits
