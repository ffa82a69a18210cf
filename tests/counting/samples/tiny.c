/* gcc -O0 -g -fno-stack-protector -nostdlib -static -o tiny tiny.c
   valgrind --tool=callgrind ./tiny
   valgrind --tool=callgrind --compress-strings=no --compress-pos=no --dump-instr=yes \
            --collect-jumps=yes ./tiny
 */
int calls = 1;
static int twice(int n){ int s=0; for(int i=0;i<n;i++) s+=i; calls++; return s; }
int deep(int n){ return n? deep(n-1)+twice(n):0; }
void _start(void){ int r = deep(5); __asm__ volatile("syscall"::"a"(231),"D"(r&0)); __builtin_unreachable(); }
